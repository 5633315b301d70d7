import { describe, expect, it } from 'vitest';
import { ndcg } from './ndcg.js';

describe('ndcg', () => {
  const gains = new Map([
    ['a', 2],
    ['b', 1],
    ['c', 0],
  ]);

  it('is 1 for the best order, whatever comes behind it', () => {
    expect(ndcg(['a', 'b', 'x'], gains, 10)).toBeCloseTo(1, 12);
  });

  it('discounts by the logarithm of the rank', () => {
    expect(ndcg(['b', 'a'], gains, 10)).toBeCloseTo((1 + 2 / Math.log2(3)) / (2 + 1 / Math.log2(3)), 12);
  });

  it('looks at the first k only, on both sides', () => {
    expect(ndcg(['x', 'a'], gains, 1)).toBe(0);
    expect(ndcg(['a'], gains, 1)).toBe(1);
  });

  it('is not defined where nothing is relevant', () => {
    expect(ndcg(['a'], new Map([['a', 0]]), 10)).toBeUndefined();
  });
});
