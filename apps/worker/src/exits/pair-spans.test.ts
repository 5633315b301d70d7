import { describe, expect, it } from 'vitest';
import { pairSpans } from './pair-spans.js';

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
    expect(pairSpans({ ids: Int32Array.from(ids) })).toEqual(expected);
  });
});
