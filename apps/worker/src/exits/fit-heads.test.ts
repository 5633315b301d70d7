import { describe, expect, it } from 'vitest';
import type { FitSamples } from './collect-samples.js';
import { correlationOf, deviationOf } from './correlation.js';
import { ExitHeads } from './exit-heads.js';
import { fitHeads } from './fit-heads.js';
import { HEADS_VERSION, headsFileSchema } from './heads-schema.js';
import { featureCount } from './pair-features.js';

const WIDTH = 2;
const SIZE = featureCount(WIDTH);
const QUERIES = 40;
const DOCUMENTS = 10;

/** Of a sum of many uniform numbers: nearly normal, and the same each time. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  const uniform = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  return () => Array.from({ length: 12 }, uniform).reduce((sum, value) => sum + value, -6);
}

/** Logits are 3·f₁ − 2·f₄ + 5 and noise of this deviation; features have means and scales of their own. */
function samples(noise: number): FitSamples {
  const random = randomNumbers(7);
  const pairs = QUERIES * DOCUMENTS;
  const features = new Float32Array(pairs * SIZE);
  const logits = Float32Array.from({ length: pairs }, (_, pair) => {
    for (let at = 0; at < SIZE; at += 1) features[pair * SIZE + at] = 10 * at + (at + 1) * random();
    return 3 * features[pair * SIZE + 1]! - 2 * features[pair * SIZE + 4]! + 5 + noise * random();
  });
  // Pairs of a query need not lie together.
  const queries = Int32Array.from({ length: pairs }, (_, pair) => 1000 + (pair % QUERIES));
  return { cuts: [3], width: WIDTH, queries, logits, features: [features] };
}

/** Each feature has one of two hidden numbers in it, and noise; logits are hinges of those. */
function bentSamples(): FitSamples {
  const random = randomNumbers(9);
  const [width, queries, documents] = [8, 50, 30];
  const size = featureCount(width);
  const pairs = queries * documents;
  const features = new Float32Array(pairs * size);
  const logits = Float32Array.from({ length: pairs }, (_, pair) => {
    const hidden = [random(), random()];
    for (let at = 0; at < size; at += 1) features[pair * size + at] = (at + 1) * (at + hidden[at % 2]! + 0.3 * random());
    return 4 * Math.max(0, hidden[0]!) - 5 * Math.max(0, hidden[1]!);
  });
  return { cuts: [3], width, queries: Int32Array.from({ length: pairs }, (_, pair) => pair % queries), logits, features: [features] };
}

describe(fitHeads, () => {
  it('finds a line again, and how far the truth is from it', () => {
    const given = samples(1.5);
    const [head] = fitHeads(given, { penalties: [1e-6, 10] });
    const file = {
      v: HEADS_VERSION,
      model: 'a'.repeat(64),
      width: WIDTH,
      fitted_on: 'noise',
      pairs: 400,
      queries: 40,
      heads: [head!.figures],
    };
    const heads = new ExitHeads(headsFileSchema.parse(JSON.parse(JSON.stringify(file))));
    expect(head).toMatchObject({ kind: 'ridge', penalty: 1e-6, other: { kind: 'hinges' } });
    expect(head!.other.sigma).toBeGreaterThan(head!.figures.sigma);
    expect(heads.layers).toEqual([3]);
    expect(heads.at(3).sigma).toBeGreaterThan(1.2);
    expect(heads.at(3).sigma).toBeLessThan(1.9);
    expect(heads.at(3).correlation).toBeGreaterThan(0.98);
    expect(head!.within).toBeGreaterThan(0.98);
    const features = given.features[0]!.subarray(0, SIZE);
    expect(Math.abs(heads.at(3).predict(features) - (3 * features[1]! - 2 * features[4]! + 5))).toBeLessThan(1);
  });

  it('does not count what it learnt of a query as knowledge: each is held out whole', () => {
    const given = samples(0);
    // A feature that names the query, and logits that depend on nothing else.
    const random = randomNumbers(3);
    const levels = new Map([...new Set(given.queries)].map((query) => [query, 5 * random()]));
    const logits = given.logits.map((_, pair) => levels.get(given.queries[pair]!)!);
    const [head] = fitHeads({ ...given, logits });
    expect(head!.figures.correlation).toBeLessThan(0.4);
  });

  it('keeps hinges where logits bend, with what they are off by on queries held out', () => {
    const given = bentSamples();
    const [head] = fitHeads(given);
    expect(head).toMatchObject({ kind: 'hinges', other: { kind: 'ridge' } });
    expect(head!.figures.sigma).toBeLessThan(0.7 * head!.other.sigma);
    expect(head!.within).toBeGreaterThan(head!.other.within);
    expect(head!.figures.sigma).toBeCloseTo(deviationOf(head!.heldOut, given.logits), 10);
    expect(head!.figures.correlation).toBeCloseTo(correlationOf(head!.heldOut, given.logits), 10);
  });

  it('gives the same heads again', () => {
    expect(fitHeads(bentSamples())).toEqual(fitHeads(bentSamples()));
  });

  it('refuses pairs of fewer queries than folds', () => {
    const given = samples(0);
    expect(() => fitHeads({ ...given, queries: given.queries.map((query) => query % 2) })).toThrow(/at least 4 queries/);
  });
});
