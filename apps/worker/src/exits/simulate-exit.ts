import type { Effort } from '@rerank-fleet/core/ports';
import { survivorsOf } from '../pipeline/exit-policy.js';
import { EXIT_MARGINS } from './exit-margins.js';
import type { FitSamples } from './collect-samples.js';
import type { FittedHead } from './fit-heads.js';

/** What an effort would have done with the pairs of the fit. */
export interface SimulatedEffort {
  readonly effort: Exclude<Effort, 'full'>;
  /** Standard deviations. */
  readonly margin: number;
  /** Layers run, as a share of all layers of all pairs. */
  readonly layersRun: number;
  /** Of the best ten of the whole model, the share that is among the best ten here; mean over the queries. */
  readonly overlapAt10: number;
}

export interface ExitSimulation {
  readonly queries: number;
  readonly pairs: number;
  readonly efforts: readonly SimulatedEffort[];
}

/** Results that are compared, and that need their full logit: the fewest that any request has run to the end. */
const TOP = 10;
/** Requests with fewer candidates run all layers. */
const LEAST_CANDIDATES = 2 * TOP;

/**
 * Lets pairs leave as a worker would, by predictions of heads that were fitted without the query in question. Undefined where no query has candidates enough for any
 * to leave.
 */
export function simulateExit(samples: FitSamples, heads: readonly FittedHead[], layers: number): ExitSimulation | undefined {
  const groups = groupsOf(samples.queries).filter(({ length }) => length >= LEAST_CANDIDATES);
  if (groups.length === 0) return undefined;
  const pairs = groups.reduce((sum, { length }) => sum + length, 0);
  const efforts = (['balanced', 'fast'] as const).map((effort): SimulatedEffort => {
    const margin = EXIT_MARGINS[effort];
    let [layersRun, overlap] = [0, 0];
    for (const group of groups) {
      const run = letLeave(group, heads, { margin, layers });
      layersRun += run.layersRun;
      overlap += overlapOf(bestOf(group, samples.logits), bestOf(run.survivors, samples.logits));
    }
    return { effort, margin, layersRun: layersRun / (pairs * layers), overlapAt10: overlap / groups.length };
  });
  return { queries: groups.length, pairs, efforts };
}

function letLeave(
  group: readonly number[],
  heads: readonly FittedHead[],
  { margin, layers }: { readonly margin: number; readonly layers: number },
): { readonly survivors: readonly number[]; readonly layersRun: number } {
  let [running, layersRun] = [group, 0];
  for (const { figures, heldOut } of heads) {
    const predictions = running.map((pair) => heldOut[pair]!);
    const stay = survivorsOf({ predictions, sigma: figures.sigma, margin, atLeast: TOP });
    layersRun += (running.length - stay.length) * figures.layer;
    running = stay.map((at) => running[at]!);
  }
  return { survivors: running, layersRun: layersRun + running.length * layers };
}

function bestOf(pairs: readonly number[], logits: Float32Array): readonly number[] {
  return pairs.toSorted((a, b) => logits[b]! - logits[a]! || a - b).slice(0, TOP);
}

function overlapOf(wanted: readonly number[], found: readonly number[]): number {
  return wanted.filter((pair) => found.includes(pair)).length / wanted.length;
}

/** Pairs of each query. */
function groupsOf(queries: Int32Array): readonly (readonly number[])[] {
  const groups = new Map<number, number[]>();
  queries.forEach((query, pair) => {
    const group = groups.get(query);
    if (group === undefined) groups.set(query, [pair]);
    else group.push(pair);
  });
  return [...groups.values()];
}
