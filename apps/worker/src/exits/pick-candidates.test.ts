import { describe, expect, it } from 'vitest';
import { pickCandidates, pickEvenly } from './pick-candidates.js';

const ranked = Array.from({ length: 100 }, (_, rank) => rank);

describe(pickCandidates, () => {
  it('takes the best four, and others down to the end of the list', () => {
    expect(pickCandidates(ranked, 8)).toEqual([0, 1, 2, 3, 4, 28, 52, 76]);
  });

  it('takes all of a list that is no longer, and no more than are asked for', () => {
    expect(pickCandidates(ranked, 100)).toEqual(ranked);
    expect(pickCandidates([1, 2], 11)).toEqual([1, 2]);
    expect(pickCandidates(ranked, 2)).toEqual([0, 1]);
  });
});

describe(pickEvenly, () => {
  it('takes none twice', () => {
    for (const count of [0, 1, 7, 99, 100, 500]) {
      const picked = pickEvenly(ranked, count);
      expect(picked).toHaveLength(Math.min(count, 100));
      expect(new Set(picked).size).toBe(picked.length);
    }
  });
});
