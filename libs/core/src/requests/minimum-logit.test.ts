import { sigmoid } from '../domain/index.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { minimumLogit } from './minimum-logit.js';

describe('minimumLogit', () => {
  it('keeps every logit whose score is high enough', () => {
    fc.assert(
      fc.property(fc.double({ min: -60, max: 60, noNaN: true }), fc.double({ min: -0.5, max: 1.5, noNaN: true }), (logit, minScore) => {
        const bound = minimumLogit(minScore, false);
        if (sigmoid(logit) >= minScore) expect(bound === undefined || logit >= bound).toBe(true);
      }),
    );
  });

  it('cuts what is clearly below', () => {
    expect(minimumLogit(0.5, false)).toBeCloseTo(0, 5);
    expect(minimumLogit(0.9, false)).toBeCloseTo(Math.log(9), 5);
    expect(minimumLogit(1e-12, false)).toBeCloseTo(Math.log(1e-12), 5);
  });

  it('is finite, or absent, at and beyond the ends', () => {
    expect(minimumLogit(0, false)).toBeUndefined();
    expect(minimumLogit(-1, false)).toBeUndefined();
    expect(minimumLogit(1, false)).toBeCloseTo(36.7368, 3);
    expect(minimumLogit(1.5, false)).toBe(Number.MAX_VALUE);
    expect(minimumLogit(undefined, false)).toBeUndefined();
  });

  it('is the bound itself for raw scores', () => {
    expect(minimumLogit(-3.5, true)).toBe(-3.5);
  });
});
