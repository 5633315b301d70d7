import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PartRanges } from './part-ranges.js';

describe('PartRanges', () => {
  it('holds what was added in whatever order, and comes back from its gaps', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30)), (added) => {
        const ranges = new PartRanges();
        for (const part of added) ranges.add(part);
        const again = PartRanges.ofGaps(ranges.toGaps());
        const held = new Set(added);
        for (let part = 0; part <= 31; part += 1) {
          expect(ranges.has(part)).toBe(held.has(part));
          expect(again.has(part)).toBe(held.has(part));
        }
        expect(ranges.end).toBe(added.length === 0 ? 0 : Math.max(...added) + 1);
        expect(again.toGaps()).toEqual(ranges.toGaps());
        let first = 0;
        while (held.has(first)) first += 1;
        expect(ranges.holdsFirst(first)).toBe(true);
        expect(ranges.holdsFirst(first + 1)).toBe(false);
      }),
    );
  });

  it('is as short as it can be', () => {
    const ranges = new PartRanges();
    for (const part of [5, 3, 4, 0, 1]) ranges.add(part);
    expect(ranges.toGaps()).toEqual([0, 2, 1, 3]);
  });
});
