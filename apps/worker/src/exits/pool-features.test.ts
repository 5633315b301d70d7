import { describe, expect, it } from 'vitest';
import { pairSpans } from './pair-spans.js';
import { featureCount, poolFeatures } from './pool-features.js';

function spansOf(ids: readonly number[]): number[] {
  const { queryStart, queryEnd, passageStart, passageEnd } = pairSpans({ ids: Int32Array.from(ids) });
  return [queryStart, queryEnd, passageStart, passageEnd];
}

describe(pairSpans, () => {
  it.each([
    ['one separator between the texts', [101, 7, 8, 102, 9, 10, 11, 102], [1, 3, 4, 7]],
    ['two of them', [0, 7, 8, 2, 2, 9, 2], [1, 3, 5, 6]],
    ['a separator within the passage', [101, 7, 102, 9, 102, 9, 102], [1, 2, 3, 6]],
    ['an empty passage', [101, 7, 102, 102], [1, 2, 3, 3]],
    ['an empty query', [101, 102, 9, 102], [1, 1, 2, 3]],
    ['a single text', [101, 7, 8, 102], [1, 3, 3, 3]],
    ['one token', [101], [0, 0, 0, 0]],
  ])('finds the texts of a frame with %s', (_frame, ids, expected) => {
    expect(spansOf(ids)).toEqual(expected);
  });
});

describe(poolFeatures, () => {
  // [first, query, separator, passage, passage, separator, padding], each of width 2, as the second row of a batch.
  const row = [1, 2, 3, 4, 90, 90, 5, 6, 7, 10, 90, 90, 99, 99];
  const spans = { queryStart: 1, queryEnd: 2, passageStart: 3, passageEnd: 5 };
  const expected = [1, 2, 3, 4, 6, 8, 18, 32];

  it.each([
    ['single floats', Float32Array.from([...row.map(() => -1), ...row])],
    ['half floats', Float16Array.from([...row.map(() => -1), ...row])],
  ])('takes the first token, the means of both texts and their product from %s, and nothing of separators and padding', (_type, values) => {
    const features = new Float32Array(featureCount(2)).fill(-7);
    poolFeatures({ values, sequence: 7, width: 2 }, 1, spans, features);
    expect([...features]).toEqual(expected);
  });

  it('gives zeros for a text without tokens', () => {
    const features = new Float32Array(featureCount(2)).fill(-7);
    poolFeatures({ values: Float32Array.from(row), sequence: 7, width: 2 }, 0, { ...spans, passageEnd: 3 }, features);
    expect([...features]).toEqual([1, 2, 3, 4, 0, 0, 0, 0]);
  });
});
