import { describe, expect, it } from 'vitest';
import { correlationOf, deviationOf } from './correlation.js';
import { fitHinges, type HingeFit, type HingeProblem } from './fit-hinges.js';
import { hingeFigures } from './hinge-figures.js';
import { HingeHead } from './hinge-head.js';
import { HINGES, runNetwork } from './hinge-network.js';
import { inputScales } from './input-scales.js';
import { SeededRandom } from './seeded-random.js';
import { unitWeights } from './unit-weights.js';

const SIZE = 32;
const PAIRS = 1500;

/** Features of means and scales that are orders apart; the last is the same everywhere. Logits bend where the first half's sum does. */
function problem(seed = 1): HingeProblem {
  const random = new SeededRandom(11);
  const features = new Float32Array(PAIRS * SIZE);
  const logits = new Float32Array(PAIRS);
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const hidden = random.normal();
    logits[pair] = 5 * Math.max(0, hidden) - 3;
    for (let at = 0; at < SIZE - 1; at += 1)
      features[pair * SIZE + at] = 10 ** ((at % 7) - 3) * (at + (at < SIZE / 2 ? hidden : 0) + 0.5 * random.normal());
    features[pair * SIZE + SIZE - 1] = 0.1;
  }
  const scales = inputScales(features, SIZE);
  return { features, size: SIZE, logits, scales, pairs: Int32Array.from(logits.keys()), seed };
}

const rowOf = ({ features }: HingeProblem, pair: number): Float32Array => features.subarray(pair * SIZE, (pair + 1) * SIZE);
const headOf = (fit: HingeFit): HingeHead => new HingeHead({ layer: 1, sigma: 1, correlation: 0, ...hingeFigures(fit) }, SIZE);

describe(fitHinges, () => {
  const given = problem();
  const fit = fitHinges(given);

  it('follows a bend that no line does', () => {
    const head = headOf(fit);
    const found = Float64Array.from(given.logits, (_, pair) => head.predict(rowOf(given, pair)));
    // Of the best line, 1.45 would be left.
    expect(deviationOf(found, given.logits)).toBeLessThan(0.9);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])('follows a line with whatever numbers it begins (seed %i)', (seed) => {
    const line = { ...given, logits: given.logits.map((_, pair) => given.features[pair * SIZE + 10]!), seed };
    const head = headOf(fitHinges(line));
    const found = Float64Array.from(line.logits, (_, pair) => head.predict(rowOf(line, pair)));
    expect(correlationOf(found, line.logits)).toBeGreaterThan(0.9);
  });

  it('gives the same network again for the same seed, and another for another', () => {
    expect(fitHinges(problem()).network.values).toEqual(fit.network.values);
    expect(fitHinges(problem(2)).network.values).not.toEqual(fit.network.values);
  });

  it('leaves pairs that it is not to learn from alone', () => {
    const pairs = given.pairs.subarray(0, 1000);
    const logits = given.logits.map((logit, pair) => (pair < 1000 ? logit : 1e6));
    expect(fitHinges({ ...given, pairs, logits }).network.values).toEqual(fitHinges({ ...given, pairs }).network.values);
  });

  it('fits two pairs, and pairs of one logit', () => {
    const flat = fitHinges({ ...given, pairs: given.pairs.subarray(0, 2), logits: given.logits.map(() => 4) });
    expect(flat).toMatchObject({ level: 4, spread: 1 });
    expect(Array.from(flat.network.values).every(Number.isFinite)).toBe(true);
  });
});

describe(hingeFigures, () => {
  const given = problem();
  const fit = fitHinges(given);

  it('works standardisation in, and loses less than a thirtieth of a deviation by rounding', () => {
    const { centre, scale } = given.scales;
    const exact = Float64Array.from(given.logits, (_, pair) => {
      const x = Float64Array.from(rowOf(given, pair), (value, at) => (value - centre[at]!) * scale[at]!);
      return fit.level + fit.spread * runNetwork(fit.network, x, new Float64Array(HINGES));
    });
    const head = headOf(fit);
    const rounded = Float64Array.from(given.logits, (_, pair) => head.predict(rowOf(given, pair)));
    expect(deviationOf(rounded, exact)).toBeLessThan(deviationOf(exact, given.logits) / 30);
  });

  it('gives no weight to a feature that was the same everywhere', () => {
    for (const weights of unitWeights(hingeFigures(fit), SIZE)) expect(weights[SIZE - 1]).toBe(0);
    const row = rowOf(given, 0).slice();
    const before = headOf(fit).predict(row);
    row[SIZE - 1] = 1e4;
    expect(headOf(fit).predict(row)).toBe(before);
  });

  it('writes hinges without any weight', () => {
    const network = { ...fit.network, values: fit.network.values.map(() => 0) };
    expect(headOf({ ...fit, network }).predict(rowOf(given, 0))).toBeCloseTo(fit.level, 6);
  });
});
