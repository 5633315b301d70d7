import { stat } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { constrainedMemory } from 'node:process';
import type { Config } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { invariant } from '@rerank-fleet/core/errors';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import type { Logger } from '@rerank-fleet/core/observability';
import type { FastVariant, InferenceModel } from '../inference/inference-messages.js';
import { InferencePool } from '../inference/inference-pool.js';
import type { SequenceEncoder } from '../pipeline/sequence-encoder.js';
import { EngineBudgets } from '../tuning/engine-budgets.js';
import { DEFAULT_BATCH_TOKENS, defaultSplit, type Split } from '../tuning/engine-shape.js';
import { describeHardware, type Hardware } from '../tuning/hardware.js';
import { MemoryBound } from '../tuning/tuning-cache.js';
import { exitAtStart, type ModelExit } from './exit-at-start.js';
import { fastVariant } from './fast-variant.js';
import { lateBytes, type LateModel } from './late-bytes.js';
import { inferenceModel } from './resolve-configured.js';
import { segmentsAtStart } from './segments-at-start.js';
import { tuneAtStart, type ModelAtStart } from './tune-at-start.js';

export interface EngineOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly onHang: (detail: string) => void;
  /** The first is the default reranker, for which the threads are chosen. */
  readonly models: readonly ResolvedModel[];
  readonly encoder: SequenceEncoder;
}

export interface Engine {
  readonly inference: InferencePool;
  readonly budgets: EngineBudgets;
  /** Faster variants, by the model's sha256. */
  readonly variants: ReadonlyMap<string, FastVariant>;
  /** Models that can run in segments, by sha256. */
  readonly exits: ReadonlyMap<string, ModelExit>;
  /** What models may still take that are loaded when they are first asked for, in all threads. */
  readonly lateBytes: number;
}

/**
 * Loads the models in the shape that configuration, an earlier start or a measurement says. No budget is above what an earlier start found memory to have
 * room for.
 *
 * @throws RerankError `model_unavailable` if a model cannot be loaded or the device that was asked for cannot be had
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const { config, log, encoder } = options;
  const { worker } = config;
  const hardware = await describeHardware(worker.device);
  const models: ModelAtStart[] = [];
  // One after the other: to rewrite a graph takes memory.
  for (const model of options.models) models.push(await atStart(model, options, hardware));
  const [first, ...others] = models;
  invariant(first, 'A worker has at least one model.');
  const configured = configuredSplit(config, hardware);
  const { split, records, message, fields } =
    worker.autoTune && worker.maxBatchTokens === undefined
      ? await tuneAtStart({ config, log, encoder, hardware, configured, models: [first, ...others] })
      : { split: configured, records: [], message: 'The engine runs as configured.', fields: {} };
  const exits = new Map<string, ModelExit>();
  for (const { model, inference } of models) {
    const exit = await exitAtStart(model, inference.fast, options);
    if (exit !== undefined) exits.set(model.sha256, exit);
  }
  const whole = models.map((start, position) => {
    const chosen = worker.maxBatchTokens ?? records[position]?.max_batch_tokens ?? DEFAULT_BATCH_TOKENS[worker.device];
    return { start, maxBatchTokens: Math.min(start.mostBatchTokens ?? Infinity, chosen), tuned: records[position]?.tuned ?? false };
  });
  const cut = whole.flatMap(({ start, ...budget }) => {
    const exit = exits.get(start.model.sha256);
    return exit === undefined ? [] : [{ start, exit, ...budget }];
  });
  const segments = await segmentsAtStart({ config, log, encoder, hardware, split, models: cut });
  const budgets = new EngineBudgets(
    split,
    whole.map(({ start, ...budget }) => {
      const { sha256, name } = start.model;
      return { sha256, name, bound: start.bound, segments: segments.get(sha256), ...budget };
    }),
    log,
  );
  log.info({ engine: budgets.shape, ...fields }, message);
  return {
    inference: await startPool(options, { models, exits }, split),
    budgets,
    exits,
    variants: new Map(models.flatMap(({ model, inference: { fast } }) => (fast === undefined ? [] : [[model.sha256, fast]]))),
    lateBytes: lateBytes(await Promise.all(models.map((start) => lateModel(start, exits))), split.sessions),
  };
}

async function atStart(model: ResolvedModel, options: EngineOptions, hardware: Hardware): Promise<ModelAtStart> {
  const limit = constrainedMemory();
  const memoryBytes = limit > 0 ? Math.min(totalmem(), limit) : totalmem();
  const bound = new MemoryBound(defaultCacheDirectory(options.config.models.cacheHome), { model: model.sha256, hardware, memoryBytes });
  return { model, inference: inferenceModel(model, await fastVariant(model, options)), bound, mostBatchTokens: await bound.read() };
}

async function lateModel({ model, inference }: ModelAtStart, exits: ReadonlyMap<string, ModelExit>): Promise<LateModel> {
  const { size: fileBytes } = await stat(model.onnxPath);
  return { fileBytes, hasVariant: inference.fast !== undefined, stateBytes: exits.get(model.sha256)?.segmented.memory.byteLength };
}

async function startPool(
  { config, log, onHang }: EngineOptions,
  { models, exits }: { readonly models: readonly ModelAtStart[]; readonly exits: ReadonlyMap<string, ModelExit> },
  split: Split,
): Promise<InferencePool> {
  const { device, batchTimeoutMs } = config.worker;
  return await InferencePool.start({
    models: models.map(({ inference }) => withSegments(inference, exits.get(inference.sha256))),
    device,
    intraOpThreads: split.intraOpThreads,
    threads: split.sessions,
    batchTimeoutMs,
    onHang,
    onThreadDeath: (detail) => log.error({ detail }, 'An inference thread died; another takes its place.'),
  });
}

function withSegments(model: InferenceModel, exit: ModelExit | undefined): InferenceModel {
  return exit === undefined ? model : { ...model, segmented: exit.segmented };
}

function configuredSplit({ worker }: Config, { cores }: Hardware): Split {
  const { device, inferenceThreads, intraOpThreads } = worker;
  const split = defaultSplit(device, cores, intraOpThreads);
  return { ...split, sessions: inferenceThreads ?? split.sessions };
}
