import { stat } from 'node:fs/promises';
import { availableMemory } from 'node:process';
import type { Config } from '@rerank-fleet/core/config';
import type { EngineBody } from '@rerank-fleet/core/contracts';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import type { Logger } from '@rerank-fleet/core/observability';
import { InferencePool } from '../inference/inference-pool.js';
import { runtimeVersion } from '../inference/runtime-version.js';
import type { SequenceEncoder } from '../pipeline/sequence-encoder.js';
import { DEFAULT_BATCH_TOKENS, defaultSplit, splitCandidates, type Split } from '../tuning/engine-shape.js';
import { describeHardware, type Hardware } from '../tuning/hardware.js';
import { SAMPLE_TOKENS, sampleSequence } from '../tuning/sample-sequence.js';
import { tuneEngine } from '../tuning/tune-engine.js';
import { TuningCache, type TuningRecord } from '../tuning/tuning-cache.js';
import { inferenceModel } from './resolve-configured.js';

/** A newcomer waits for the first start, so the choice has to be made in this time or is not made (docs/decisions/0006-…). */
const TUNING_TIMEOUT_MS = 5_000;

export interface EngineOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly onHang: (detail: string) => void;
  readonly models: readonly ResolvedModel[];
  /** The default reranker, which is timed. */
  readonly reranker: ResolvedModel;
  readonly encoder: SequenceEncoder;
}

export interface Engine {
  readonly inference: InferencePool;
  readonly shape: EngineBody;
}

/**
 * Loads the models in the shape that configuration, an earlier start or a measurement says.
 *
 * @throws RerankError `model_unavailable` if a model cannot be loaded or the device that was asked for cannot be had
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const { config, log, reranker } = options;
  const { worker } = config;
  const hardware = await describeHardware(worker.device);
  const split = configuredSplit(config, hardware);
  const standard = { max_batch_tokens: worker.maxBatchTokens ?? DEFAULT_BATCH_TOKENS[worker.device], ...onWire(split), tuned: false };
  if (!worker.autoTune || worker.maxBatchTokens !== undefined) {
    log.info({ engine: standard }, 'The engine runs as configured.');
    return { inference: await startPool(options, split), shape: standard };
  }
  const pinned = worker.inferenceThreads !== undefined || worker.intraOpThreads !== undefined;
  const cache = new TuningCache(defaultCacheDirectory(config.models.cacheHome), {
    model: reranker.sha256,
    hardware,
    onnxruntime: runtimeVersion(),
    pinnedSplit: pinned ? split : undefined,
  });
  const known = await cache.read();
  if (known !== undefined) {
    const shape = shapeOf(known);
    log.info({ engine: shape, cache: cache.path }, 'The engine runs as it was tuned before.');
    return { inference: await startPool(options, fromWire(known)), shape };
  }
  const splits: [Split, ...Split[]] = [split, ...(pinned ? [] : splitCandidates(worker.device, hardware.cores).slice(1))];
  return await startAndTune(options, splits, cache);
}

async function startAndTune(options: EngineOptions, splits: [Split, ...Split[]], cache: TuningCache): Promise<Engine> {
  const { log } = options;
  const loading = performance.now();
  const inference = await startPool(options, splits[0]);
  const begun = performance.now();
  const record = await tune(options, splits, { inference, loadMs: begun - loading }).catch(async (error: unknown) => {
    await inference.close();
    throw error;
  });
  if (record.tuned) await keep(record, cache, log);
  const shape = shapeOf(record);
  log.info(
    { engine: shape, took_ms: Math.round(performance.now() - begun), tokens_per_s: figuresLine(record) },
    record.tuned
      ? 'The engine was tuned.'
      : 'The model could not be timed in the time that a start has; the engine runs with its defaults.',
  );
  if (record.sessions === splits[0].sessions && record.intra_op_threads === splits[0].intraOpThreads) return { inference, shape };
  await inference.close();
  return { inference: await startPool(options, fromWire(record)), shape };
}

async function keep(record: TuningRecord, cache: TuningCache, log: Logger): Promise<void> {
  await cache.write(record).catch((error: unknown) => {
    log.warn({ err: error }, 'The choice of the engine cannot be kept; the next start measures again.');
  });
}

async function tune(
  { config, ...options }: EngineOptions,
  splits: [Split, ...Split[]],
  { inference, loadMs }: { readonly inference: InferencePool; readonly loadMs: number },
): Promise<TuningRecord> {
  const { reranker, encoder } = options;
  return await tuneEngine({
    device: config.worker.device,
    model: reranker.sha256,
    modelBytes: (await stat(reranker.onnxPath)).size,
    sample: await sampleSequence(encoder, reranker.sha256, Math.min(SAMPLE_TOKENS, reranker.maxLength)),
    splits,
    running: inference.runners,
    start: async (split) => await startPool({ ...options, config, models: [reranker] }, split),
    loadMs,
    timeoutMs: TUNING_TIMEOUT_MS,
    availableBytes: availableMemory(),
  });
}

async function startPool({ config, log, onHang, models }: EngineOptions, split: Split): Promise<InferencePool> {
  const { device, batchTimeoutMs } = config.worker;
  return await InferencePool.start({
    models: models.map(inferenceModel),
    device,
    intraOpThreads: split.intraOpThreads,
    threads: split.sessions,
    batchTimeoutMs,
    onHang,
    onThreadDeath: (detail) => log.error({ detail }, 'An inference thread died; another takes its place.'),
  });
}

function configuredSplit({ worker }: Config, { cores }: Hardware): Split {
  const { device, inferenceThreads, intraOpThreads } = worker;
  const split = defaultSplit(device, cores, intraOpThreads);
  return { ...split, sessions: inferenceThreads ?? split.sessions };
}

const onWire = ({ sessions, intraOpThreads }: Split) => ({ sessions, intra_op_threads: intraOpThreads });
const fromWire = ({ sessions, intra_op_threads: intraOpThreads }: TuningRecord): Split => ({ sessions, intraOpThreads });

function shapeOf({ max_batch_tokens, sessions, intra_op_threads, tuned }: TuningRecord): EngineBody {
  return { max_batch_tokens, sessions, intra_op_threads, tuned };
}

/** `2x1@512: 11900, 2x1@1024: 12034`: sessions × intra-op threads @ budget. */
function figuresLine({ figures }: TuningRecord): string {
  return figures
    .map((figure) => `${figure.sessions}x${figure.intra_op_threads}@${figure.max_batch_tokens}: ${figure.tokens_per_s}`)
    .join(', ');
}
