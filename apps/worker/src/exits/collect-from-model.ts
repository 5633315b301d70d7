import { readFile, stat } from 'node:fs/promises';
import { availableMemory } from 'node:process';
import { RerankError } from '@rerank-fleet/core/errors';
import { FeaturePool } from '../inference/feature-pool.js';
import type { SegmentSource } from '../inference/segment-runner.js';
import { SESSION_PER_FILE } from '../tuning/engine-shape.js';
import { collectSamples, type CollectOptions, type FitPair, type FitSamples } from './collect-samples.js';
import { countLayers } from './cut-model.js';
import { defaultCuts } from './default-cuts.js';
import { fitBytes } from './fit-heads.js';
import { openSegmentsInProcess } from './open-segments-in-process.js';
import { featureCount } from './pair-features.js';
import type { SegmentSet } from './segment-set.js';

/** The graph that a worker runs for a model. */
export interface ModelGraph extends Omit<SegmentSource, 'set'> {
  readonly name: string;
  readonly onnxPath: string;
  /** Threads with sessions of their own; fewer are started where memory is short. */
  readonly threads: number;
  readonly cacheDirectory: string;
}

/**
 * Cuts the graph of a model, after layers that suit their number where none are named.
 *
 * @throws RerankError `invalid_request` with the reason where it cannot be cut
 */
export async function cutForFit({ name, onnxPath, cacheDirectory }: ModelGraph, cuts?: readonly number[]): Promise<SegmentSet> {
  const refuse = (why: string): RerankError => new RerankError('invalid_request', `The model ${name} cannot be cut: ${why}`);
  let wanted = cuts;
  if (wanted === undefined) {
    const layers = countLayers(await readFile(onnxPath));
    if (typeof layers !== 'number') throw refuse(layers.refused);
    wanted = defaultCuts(layers);
  }
  const set = await openSegmentsInProcess({ onnxPath, cuts: wanted, cacheDirectory });
  if (set === undefined) throw refuse('the process that cuts models failed. Is there too little memory or no room in the cache?');
  if ('refused' in set) throw refuse(set.refused);
  return set;
}

/** Runs pairs through all segments, on as many threads as there is room for. @throws RerankError `out_of_memory` where the figures would not fit */
export async function collectFromModel(
  pairs: readonly FitPair[],
  { set, graph }: { readonly set: SegmentSet; readonly graph: ModelGraph },
  options: CollectOptions = {},
): Promise<FitSamples> {
  assertRoom(pairs.length, set);
  const sessionBytes = (await stat(graph.onnxPath)).size * SESSION_PER_FILE;
  const affordable = Math.floor(availableMemory() / 2 / sessionBytes);
  const { device, intraOpThreads, withoutOptimizers, labelIndex } = graph;
  const pool = await FeaturePool.start(
    { set, device, intraOpThreads, withoutOptimizers, labelIndex },
    Math.max(1, Math.min(graph.threads, affordable)),
  );
  try {
    return await collectSamples(pairs, pool, options);
  } finally {
    await pool.close();
  }
}

/** Features of all cuts, and what the fit of one takes beside them. */
function assertRoom(pairs: number, { cuts, width }: SegmentSet): void {
  const bytes = pairs * featureCount(width) * Float32Array.BYTES_PER_ELEMENT * cuts.length + fitBytes(pairs, width);
  const free = availableMemory();
  if (bytes <= free) return;
  const megabytes = (count: number): string => `${Math.ceil(count / 1e6).toLocaleString('en')} MB`;
  throw new RerankError(
    'out_of_memory',
    `A fit of ${pairs.toLocaleString('en')} pairs and ${cuts.length} cuts takes ${megabytes(bytes)}, and ${megabytes(free)} are free: fit fewer pairs, or fewer cuts.`,
  );
}
