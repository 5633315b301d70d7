import { describe, expect, it } from 'vitest';
import { defaultCuts } from './default-cuts.js';

describe(defaultCuts, () => {
  it.each([
    [12, [1, 3, 6, 8]],
    [24, [2, 6, 12, 16]],
    [6, [1, 2, 3, 4]],
    [3, [1, 2]],
    [2, [1]],
  ])('of %i layers are %j', (layers, cuts) => {
    expect(defaultCuts(layers)).toEqual(cuts);
  });

  it('ascend and lie between layers, for any number of them', () => {
    for (let layers = 2; layers <= 100; layers += 1) {
      const cuts = defaultCuts(layers);
      expect(cuts).toEqual(cuts.toSorted((a, b) => a - b));
      expect(cuts[0]).toBeGreaterThan(0);
      expect(cuts.at(-1)).toBeLessThan(layers);
    }
  });
});
