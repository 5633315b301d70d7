import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packContext } from './pack-context.js';

describe(packContext, () => {
  it('passes over a passage that does not fit, and takes shorter ones behind it', () => {
    expect(packContext([50, 70, 30, 20], 100)).toEqual([0, 2, 3]);
  });

  it('never exceeds the budget, and leaves out nothing that would still fit', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(500), { maxLength: 40 }), fc.nat(2_000), (tokens, budget) => {
        const chosen = packContext(tokens, budget);
        const used = chosen.reduce((sum, position) => sum + tokens[position]!, 0);
        expect(used).toBeLessThanOrEqual(budget);
        const left = tokens.filter((_, position) => !chosen.includes(position));
        expect(left.every((size) => size > budget - used)).toBe(true);
      }),
    );
  });
});
