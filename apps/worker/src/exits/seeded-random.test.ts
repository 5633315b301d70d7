import { describe, expect, it } from 'vitest';
import { SeededRandom } from './seeded-random.js';

describe(SeededRandom, () => {
  it('gives the same numbers for a seed, and others for another', () => {
    const draw = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 20 }, () => random.bits());
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('draws normal numbers of mean 0 and deviation 1', () => {
    const random = new SeededRandom(1);
    const values = Array.from({ length: 20_000 }, () => random.normal());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(values.reduce((sum, value) => sum + value ** 2, 0) / values.length).toBeCloseTo(1, 1);
    // A normal number is beyond two deviations once in 22.
    expect(values.filter((value) => Math.abs(value) > 2).length / values.length).toBeCloseTo(0.0455, 2);
  });

  it('shuffles so that every value stays', () => {
    const values = Int32Array.from({ length: 100 }, (_, at) => at);
    new SeededRandom(3).shuffle(values);
    expect(values).not.toEqual(values.toSorted());
    expect(values.toSorted()).toEqual(Int32Array.from({ length: 100 }, (_, at) => at));
  });
});
