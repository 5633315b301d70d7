import { describe, expect, it } from 'vitest';
import { pairsOf } from './encoded-pairs.js';
import type { EncodedPairs } from './sequence-encoder.js';

/** Three passages: the first and the last in two windows each, the other fits. */
const ENCODED: EncodedPairs = {
  ids: Int32Array.of(1, 2, 3, 4, 5, 6, 7),
  typeIds: new Uint8Array(7),
  lengths: Int32Array.of(3, 1, 3),
  truncated: Uint8Array.of(1, 0, 1),
  windows: {
    ids: Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    typeIds: new Uint8Array(8),
    lengths: Int32Array.of(2, 2, 2, 2),
    truncated: new Uint8Array(4),
    passages: Int32Array.of(0, 0, 2, 2),
    spans: Int32Array.of(0, 5, 4, 9, 0, 6, 5, 11),
    cut: Uint8Array.of(0, 0, 1),
  },
};
const FIT = { logit: 0.5 };
const FIT_SCORE = { logit: 0.5, tokens: 1, truncated: false };

describe(pairsOf, () => {
  it('runs what fits and the windows of what does not, each as of its passage', () => {
    const { sequences, passages } = pairsOf(ENCODED);
    expect(sequences.map(({ ids }) => [...ids])).toEqual([[4], [1, 2], [3, 4], [5, 6], [7, 8]]);
    expect(passages).toEqual([1, 0, 0, 2, 2]);
  });

  it('gives a passage in windows the score and the place of its best, and the tokens of all', () => {
    expect(pairsOf(ENCODED).scoresOf([FIT, { logit: 1 }, { logit: 5 }, { logit: 2 }, { logit: -2 }])).toEqual([
      { logit: 5, tokens: 4, truncated: false, span: { start: 4, end: 9 } },
      FIT_SCORE,
      { logit: 2, tokens: 4, truncated: true, span: { start: 0, end: 6 } },
    ]);
  });

  it('says that a score is partial where a window left, whatever was predicted of it and wherever it lies', () => {
    const scores = [{ logit: 1 }, { logit: 3, exitLayer: 3 }, { logit: -3, exitLayer: 3 }, { logit: 2 }];
    expect(pairsOf(ENCODED).scoresOf([FIT, ...scores])).toEqual([
      { logit: 1, tokens: 4, truncated: false, span: { start: 0, end: 5 }, partial: true },
      FIT_SCORE,
      { logit: 2, tokens: 4, truncated: true, span: { start: 5, end: 11 }, partial: true },
    ]);
  });

  it('has the best prediction where all windows left', () => {
    const [score] = pairsOf(ENCODED).scoresOf([FIT, { logit: -4, exitLayer: 3 }, { logit: -3, exitLayer: 6 }, { logit: 2 }, { logit: 1 }]);
    expect(score).toEqual({ logit: -3, exitLayer: 6, tokens: 4, truncated: false, span: { start: 4, end: 9 } });
  });
});
