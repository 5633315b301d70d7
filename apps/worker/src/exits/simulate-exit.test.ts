import { describe, expect, it } from 'vitest';
import type { FitSamples } from './collect-samples.js';
import { EXIT_MARGINS } from './exit-margins.js';
import type { FittedHead } from './fit-heads.js';
import { simulateExit } from './simulate-exit.js';

const CANDIDATES = 40;
const LAYERS = 12;

/** Logits fall from 39 to 0 in each query. */
function samples(queries: number, candidates = CANDIDATES): FitSamples {
  const pairs = queries * candidates;
  return {
    cuts: [3, 6],
    width: 1,
    queries: Int32Array.from({ length: pairs }, (_, pair) => pair % queries),
    logits: Float32Array.from({ length: pairs }, (_, pair) => candidates - 1 - Math.floor(pair / queries)),
    features: [],
  };
}

const head = (layer: number, sigma: number, heldOut: Float32Array): FittedHead => ({
  figures: { layer, sigma, correlation: 0.9, bias: 0, weights: '' },
  kind: 'ridge',
  penalty: 1,
  within: 0.9,
  other: { kind: 'hinges', sigma, correlation: 0.9, within: 0.9 },
  heldOut,
});

describe(simulateExit, () => {
  it('lets all but the best ten leave at the first cut where predictions are right', () => {
    const given = samples(3);
    const heads = [head(3, 0.01, given.logits), head(6, 0.01, given.logits)];
    const simulation = simulateExit(given, heads, LAYERS);
    expect(simulation).toMatchObject({ queries: 3, pairs: 120 });
    for (const { layersRun, overlapAt10 } of simulation!.efforts) {
      expect(layersRun).toBeCloseTo((10 * LAYERS + 30 * 3) / (CANDIDATES * LAYERS));
      expect(overlapAt10).toBe(1);
    }
  });

  it('keeps who is within the margin of an effort', () => {
    const given = samples(1);
    // The tenth has 30: so many more are within the margin.
    const within = (effort: keyof typeof EXIT_MARGINS): number => 10 + Math.floor(10 * EXIT_MARGINS[effort]);
    const simulation = simulateExit(given, [head(6, 10, given.logits)], LAYERS);
    for (const { effort, margin, layersRun } of simulation!.efforts) {
      expect(margin).toBe(EXIT_MARGINS[effort]);
      expect(layersRun).toBeCloseTo((within(effort) * LAYERS + (CANDIDATES - within(effort)) * 6) / (CANDIDATES * LAYERS));
    }
    expect(simulation!.efforts.map(({ effort }) => effort)).toEqual(['balanced', 'fast']);
  });

  it('says how many of the best ten were lost where predictions are wrong', () => {
    const given = samples(2);
    const reversed = given.logits.map((logit) => -logit);
    expect(simulateExit(given, [head(3, 0.01, reversed)], LAYERS)!.efforts.map(({ overlapAt10 }) => overlapAt10)).toEqual([0, 0]);
  });

  it('has nothing to say where no query has candidates enough for any to leave', () => {
    const given = samples(5, 19);
    expect(simulateExit(given, [head(3, 1, given.logits)], LAYERS)).toBeUndefined();
  });
});
