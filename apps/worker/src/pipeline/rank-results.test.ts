import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rankResults } from './rank-results.js';

const scored = (logits: readonly number[]) => logits.map((logit, index) => ({ index, logit, tokens: 5, truncated: false }));
const indices = (logits: readonly number[], options: Parameters<typeof rankResults>[1]): number[] =>
  rankResults(scored(logits), options).map(({ index }) => index);

describe('rankResults', () => {
  it('orders by logit, and ties by input index', () => {
    expect(indices([1, 3, 1, 3, 2], { topN: 5 })).toEqual([1, 3, 4, 0, 2]);
  });

  it('cuts to top n after dropping logits below the minimum, which itself is kept', () => {
    expect(indices([1, 3, 2, 0], { topN: 2, minLogit: 2 })).toEqual([1, 2]);
    expect(indices([1, 3, 2, 0], { topN: 1, minLogit: -5 })).toEqual([1]);
    expect(indices([1], { topN: 3, minLogit: 2 })).toEqual([]);
  });

  it('orders predictions behind full scores, and leaves them out where there is a minimum', () => {
    const scores = scored([1, 5, 2]).map((score) => (score.index === 1 ? { ...score, exitLayer: 3 } : score));
    expect(rankResults(scores, { topN: 3 }).map(({ index }) => index)).toEqual([2, 0, 1]);
    expect(rankResults(scores, { topN: 3, minLogit: 0 }).map(({ index }) => index)).toEqual([2, 0]);
  });

  it('gives each group once, by its best passage, before it cuts', () => {
    const document = ['a', 'b', 'a', 'c'];
    expect(indices([1, 2, 3, 0], { topN: 3, groupKey: (index) => document[index] as string })).toEqual([2, 1, 3]);
  });

  it('gives the best n of any scores', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true })), fc.integer({ min: 1, max: 10 }), (logits, topN) => {
        const results = rankResults(scored(logits), { topN });
        expect(results.map(({ logit }) => logit)).toEqual(logits.toSorted((a, b) => b - a).slice(0, topN));
        for (const { index, logit } of results) expect(logits[index]).toBe(logit);
      }),
    );
  });
});
