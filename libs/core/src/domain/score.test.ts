import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byLogitThenIndex, sigmoid } from './score.js';

describe('sigmoid', () => {
  it('is ½ at 0, symmetric, and never outside of [0, 1]', () => {
    expect(sigmoid(0)).toBe(0.5);
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (logit) => {
        expect(sigmoid(logit)).toBeGreaterThanOrEqual(0);
        expect(sigmoid(logit)).toBeLessThanOrEqual(1);
        expect(sigmoid(logit) + sigmoid(-logit)).toBeCloseTo(1, 12);
      }),
    );
  });

  it('keeps apart what single precision would call a tie', () => {
    expect(sigmoid(20)).toBeLessThan(sigmoid(20.001));
    expect(Math.fround(sigmoid(20))).toBe(Math.fround(sigmoid(20.001)));
    expect(sigmoid(-700)).toBeGreaterThan(0);
  });
});

describe('byLogitThenIndex', () => {
  it('orders by logit, best first, and equal logits by input index', () => {
    const scored = [1, 3, 1, 2].map((logit, index) => ({ logit, index }));
    expect(scored.toSorted(byLogitThenIndex).map(({ index }) => index)).toEqual([1, 3, 0, 2]);
  });
});
