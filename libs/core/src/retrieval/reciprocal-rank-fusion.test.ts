import { describe, expect, test } from 'vitest';
import { reciprocalRankFusion } from './reciprocal-rank-fusion.js';

describe(reciprocalRankFusion.name, () => {
  test('sums 1/(60 + rank), rank from 0, best first', () => {
    const fused = reciprocalRankFusion([
      ['a', 'b', 'c'],
      ['c', 'd'],
    ]);
    expect(fused.map(({ item }) => item)).toEqual(['c', 'a', 'b', 'd']);
    expect(fused[0]!.score).toBeCloseTo(1 / 62 + 1 / 60, 12);
  });

  test('k is settable and empty lists give nothing', () => {
    expect(reciprocalRankFusion([['a']], 2)).toEqual([{ item: 'a', score: 0.5 }]);
    expect(reciprocalRankFusion([[], []])).toEqual([]);
  });
});
