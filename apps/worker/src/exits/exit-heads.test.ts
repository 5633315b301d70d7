import { describe, expect, it } from 'vitest';
import { ExitHeads } from './exit-heads.js';
import { decodeHalves, encodeHalves } from './half-floats.js';
import { headsFileSchema, HEADS_VERSION, kindOf } from './heads-schema.js';
import { featureCount } from './pool-features.js';
import { SeededRandom } from './seeded-random.js';

const WIDTH = 3;
const SIZE = featureCount(WIDTH);
const random = new SeededRandom(17);
const numbers = (count: number): number[] => Array.from({ length: count }, () => random.normal());

const ridge = { layer: 2, sigma: 2, correlation: 0.8, bias: 0.25, weights: encodeHalves(numbers(SIZE)) };
const unit = () => ({ weights: encodeHalves(numbers(SIZE)), bias: random.normal(), out: random.normal() });
const hinges = { layer: 5, sigma: 1, correlation: 0.9, bias: -0.5, units: [unit(), unit(), unit()] };
const described = { model: 'a'.repeat(64), width: WIDTH, fitted_on: 'numbers', pairs: 10, queries: 5 };
const read = (file: object): ExitHeads => new ExitHeads(headsFileSchema.parse(JSON.parse(JSON.stringify(file))));

const dot = (weights: string, features: Float32Array): number =>
  decodeHalves(weights).reduce((sum, weight, at) => sum + weight * features[at]!, 0);

describe(ExitHeads, () => {
  it('reads files of both versions, a ridge head predicting the same', () => {
    const [first, second] = [
      read({ v: 1, ...described, heads: [ridge] }),
      read({ v: HEADS_VERSION, ...described, heads: [hinges, ridge] }),
    ];
    expect(first.layers).toEqual([2]);
    expect(second.layers).toEqual([2, 5]);
    const features = Float32Array.from(numbers(SIZE));
    expect(first.at(2).predict(features)).toBe(second.at(2).predict(features));
    expect(first.at(2).predict(features)).toBeCloseTo(0.25 + dot(ridge.weights, features), 5);
    expect([ridge, hinges].map(kindOf)).toEqual(['ridge', 'hinges']);
    expect(second.at(5)).toMatchObject({ layer: 5, sigma: 1, correlation: 0.9 });
  });

  it('predicts by hinges what the formula says, and leaves the features as they are', () => {
    const head = read({ v: HEADS_VERSION, ...described, heads: [hinges] }).at(5);
    for (let round = 0; round < 200; round += 1) {
      const features = Float32Array.from(numbers(SIZE));
      const given = features.slice();
      const wanted = hinges.units.reduce(
        (sum, { weights, bias, out }) => sum + out * Math.max(0, dot(weights, features) + bias),
        hinges.bias,
      );
      expect(head.predict(features)).toBeCloseTo(wanted, 5);
      expect(features).toEqual(given);
    }
  });

  it.each([
    ['of another version', { v: 3, ...described, heads: [ridge] }],
    ['of version 1 with hinges', { v: 1, ...described, heads: [hinges] }],
    ['with a head of both kinds', { v: HEADS_VERSION, ...described, heads: [{ ...ridge, units: hinges.units }] }],
    ['with a head of no hinges', { v: HEADS_VERSION, ...described, heads: [{ ...hinges, units: [] }] }],
  ])('refuses a file %s', (_what, file) => {
    expect(headsFileSchema.safeParse(file).success).toBe(false);
  });

  it('has no head after other layers', () => {
    expect(() => new ExitHeads({ ...described, heads: [ridge] }).at(4)).toThrow(/after layer 4/);
  });

  it.each([ridge, hinges])('refuses weights that do not fit the width', (head) => {
    expect(() => new ExitHeads({ ...described, width: WIDTH + 1, heads: [head] })).toThrow(/too many or too few/);
  });
});
