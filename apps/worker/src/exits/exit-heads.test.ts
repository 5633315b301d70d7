import { describe, expect, it } from 'vitest';
import { packBytes, packWeights } from './byte-weights.js';
import { ExitHeads } from './exit-heads.js';
import { decodeHalves, encodeHalves } from './half-floats.js';
import { headsFileSchema, HEADS_VERSION, kindOf } from './heads-schema.js';
import { featureCount, pooledCount } from './pair-features.js';
import { SeededRandom } from './seeded-random.js';
import { unitWeights } from './unit-weights.js';

const WIDTH = 3;
const SIZE = featureCount(WIDTH);
const random = new SeededRandom(17);
const numbers = (count: number): number[] => Array.from({ length: count }, () => random.normal());

const ridge = { layer: 2, sigma: 2, correlation: 0.8, bias: 0.25, weights: encodeHalves(numbers(SIZE)) };
/** Of versions 1 and 2. */
const earlier = { ...ridge, layer: 3, weights: encodeHalves(numbers(pooledCount(WIDTH))) };
const unit = <T>(weights: T) => ({ weights, bias: random.normal(), out: random.normal() });
const three = <T>(of: () => T): T[] => Array.from({ length: 3 }, of);
const hinges = {
  ...{ layer: 5, sigma: 1, correlation: 0.9, bias: -0.5 },
  powers: packBytes(Int8Array.from({ length: SIZE }, (_, at) => (at % 5) - 2)),
  units: three(() => unit(packWeights(Float64Array.from(numbers(SIZE))))),
};
/** Of version 3. */
const { powers: _, ...halfHinges } = { ...hinges, units: three(() => unit(encodeHalves(numbers(SIZE)))) };
const described = { model: 'a'.repeat(64), width: WIDTH, fitted_on: 'numbers', pairs: 10, queries: 5 };
const read = (file: object): ExitHeads => new ExitHeads(headsFileSchema.parse(JSON.parse(JSON.stringify(file))));

const dot = (weights: Float32Array, features: Float32Array): number => weights.reduce((sum, weight, at) => sum + weight * features[at]!, 0);

describe(ExitHeads, () => {
  it('reads files of all versions; heads of the earlier ones take the first of the features', () => {
    const [first, second, third] = [
      read({ v: 1, ...described, heads: [earlier] }),
      read({ v: 2, ...described, heads: [earlier] }),
      read({ v: HEADS_VERSION, ...described, heads: [hinges, ridge] }),
    ];
    expect([first, second, third].map(({ layers }) => layers)).toEqual([[3], [3], [2, 5]]);
    const features = Float32Array.from(numbers(SIZE));
    for (const heads of [first, second])
      expect(heads.at(3).predict(features)).toBeCloseTo(
        0.25 + dot(decodeHalves(earlier.weights), features.subarray(0, pooledCount(WIDTH))),
        5,
      );
    expect(third.at(2).predict(features)).toBeCloseTo(0.25 + dot(decodeHalves(ridge.weights), features), 5);
    expect([ridge, hinges].map(kindOf)).toEqual(['ridge', 'hinges']);
    expect(third.at(5)).toMatchObject({ layer: 5, sigma: 1, correlation: 0.9 });
  });

  it.each([
    [HEADS_VERSION, hinges],
    [3, halfHinges],
  ])('predicts by hinges of version %i what the formula says, and leaves the features as they are', (v, hinges) => {
    const head = read({ v, ...described, heads: [hinges] }).at(5);
    const weights = unitWeights(hinges, SIZE);
    for (let round = 0; round < 200; round += 1) {
      const features = Float32Array.from(numbers(SIZE));
      const given = features.slice();
      const wanted = hinges.units.reduce(
        (sum, { bias, out }, at) => sum + out * Math.max(0, dot(weights[at]!, features) + bias),
        hinges.bias,
      );
      expect(head.predict(features)).toBeCloseTo(wanted, 5);
      expect(features).toEqual(given);
    }
  });

  it.each([
    ['of another version', { v: HEADS_VERSION + 1, ...described, heads: [ridge] }],
    ['of version 1 with hinges', { v: 1, ...described, heads: [halfHinges] }],
    ['of version 3 with hinges of bytes', { v: 3, ...described, heads: [hinges] }],
    ['of this version with hinges of half floats', { v: HEADS_VERSION, ...described, heads: [halfHinges] }],
    ['with a head of both kinds', { v: HEADS_VERSION, ...described, heads: [{ ...ridge, units: hinges.units }] }],
    ['with a head of no hinges', { v: HEADS_VERSION, ...described, heads: [{ ...hinges, units: [] }] }],
  ])('refuses a file %s', (_what, file) => {
    expect(headsFileSchema.safeParse(file).success).toBe(false);
  });

  it('has no head after other layers', () => {
    expect(() => new ExitHeads({ v: HEADS_VERSION, ...described, heads: [ridge] }).at(4)).toThrow(/after layer 4/);
  });

  it.each([ridge, hinges, halfHinges])('refuses weights that do not fit the width', (head) => {
    expect(() => new ExitHeads({ v: HEADS_VERSION, ...described, width: WIDTH + 1, heads: [head] })).toThrow(/too many or too few/);
  });

  it('refuses weights that do not fit the version', () => {
    expect(() => new ExitHeads({ v: 2, ...described, heads: [ridge] })).toThrow(/too many or too few/);
    expect(() => new ExitHeads({ v: HEADS_VERSION, ...described, heads: [earlier] })).toThrow(/too many or too few/);
  });
});
