import { stat } from 'node:fs/promises';
import { availableMemory } from 'node:process';
import type { Config } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import type { Logger } from '@rerank-fleet/core/observability';
import type { InferenceModel } from '../inference/inference-messages.js';
import { runtimeVersion } from '../inference/runtime-version.js';
import type { SequenceEncoder } from '../pipeline/sequence-encoder.js';
import { splitCandidates, type Split } from '../tuning/engine-shape.js';
import type { Hardware } from '../tuning/hardware.js';
import { SAMPLE_TOKENS, sampleSequence } from '../tuning/sample-sequence.js';
import { tuneInProcess } from '../tuning/tune-in-process.js';
import type { ModelToTune, TuningOutcome } from '../tuning/tune-models.js';
import { TuningCache, type MemoryBound, type TuningRecord } from '../tuning/tuning-cache.js';

/** A newcomer waits for the first start, so the choice has to be made in this time or is not made (docs/decisions/0006-…). */
const TUNING_TIMEOUT_MS = 5_000;
/** The default reranker has its choice: only budgets of others are missing. */
const OTHERS_TIMEOUT_MS = 2_500;

export interface ModelAtStart {
  readonly model: ResolvedModel;
  readonly inference: InferenceModel;
  readonly bound: MemoryBound;
  /** What earlier starts found memory to have room for. */
  readonly mostBatchTokens: number | undefined;
}

export interface TuneAtStartOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly encoder: SequenceEncoder;
  readonly hardware: Hardware;
  /** What configuration says, or the default. */
  readonly configured: Split;
  /** The first decides on the split. */
  readonly models: readonly [ModelAtStart, ...ModelAtStart[]];
}

export interface TunedAtStart {
  readonly split: Split;
  /** Of each model, in their order; undefined where it could not be timed. */
  readonly records: readonly (TuningRecord | undefined)[];
  /** What was done, for the log. */
  readonly message: string;
  readonly fields: object;
}

/** Reads what earlier starts chose, times what is missing, and keeps that. */
export async function tuneAtStart(options: TuneAtStartOptions): Promise<TunedAtStart> {
  const { config, models, configured, hardware } = options;
  const pinned = config.worker.inferenceThreads !== undefined || config.worker.intraOpThreads !== undefined;
  const caches = new Caches(options, pinned ? configured : undefined);
  const known = await caches.read();
  const [first] = known;
  const missing = models.filter((_, position) => known[position] === undefined);
  if (missing.length === 0 && first !== undefined) {
    return { split: splitOf(first), records: known, message: 'The engine runs as it was tuned before.', fields: { cache: caches.path } };
  }
  const begun = performance.now();
  const alternatives = pinned ? [] : splitCandidates(hardware.device, hardware.cores).slice(1);
  const timed = await time(options, missing, first === undefined ? [configured, ...alternatives] : [splitOf(first)]);
  const records = models.map((model, position) => known[position] ?? timed[missing.indexOf(model)]);
  const split = records[0] === undefined ? configured : splitOf(records[0]);
  await caches.keep(missing, timed, split);
  return {
    split,
    records,
    message: timed.some((record) => record?.tuned)
      ? 'The engine was tuned.'
      : 'The models could not be timed in the time that a start has; the engine runs with its defaults.',
    fields: { took_ms: Math.round(performance.now() - begun), tokens_per_s: figuresLine(missing, timed) },
  };
}

/** The files of each model: the first one's by what configuration pins, the others' by the split that the first one has. */
class Caches {
  readonly #options: TuneAtStartOptions;
  readonly #first: TuningCache;

  constructor(options: TuneAtStartOptions, pinned: Split | undefined) {
    this.#options = options;
    this.#first = this.#of(options.models[0], pinned);
  }

  get path(): string {
    return this.#first.path;
  }

  async read(): Promise<readonly (TuningRecord | undefined)[]> {
    const first = await this.#first.read();
    if (first === undefined) return [undefined];
    const others = this.#options.models.slice(1).map((model) => this.#of(model, splitOf(first)).read());
    return [first, ...(await Promise.all(others))];
  }

  async keep(models: readonly ModelAtStart[], records: readonly (TuningRecord | undefined)[], split: Split): Promise<void> {
    const { log, models: all } = this.#options;
    try {
      for (const [position, model] of models.entries()) {
        const record = records[position];
        if (record?.tuned === true) await (model === all[0] ? this.#first : this.#of(model, split)).write(record);
      }
    } catch (error) {
      log.warn({ err: error }, 'The choice of the engine cannot be kept; the next start measures again.');
    }
  }

  #of({ model, inference }: ModelAtStart, pinnedSplit: Split | undefined): TuningCache {
    const { config, hardware } = this.#options;
    const key = { model: model.sha256, variant: inference.fast?.name, hardware, onnxruntime: runtimeVersion(), pinnedSplit };
    return new TuningCache(defaultCacheDirectory(config.models.cacheHome), key);
  }
}

async function time(
  { encoder, hardware, models: all }: TuneAtStartOptions,
  models: readonly ModelAtStart[],
  splits: readonly [Split, ...Split[]],
): Promise<TuningOutcome> {
  const describe = async ({ model, inference, mostBatchTokens }: ModelAtStart): Promise<ModelToTune> => ({
    model: inference,
    modelBytes: (await stat(model.onnxPath)).size,
    sample: await sampleSequence(encoder, model.sha256, Math.min(SAMPLE_TOKENS, model.maxLength)),
    ...(mostBatchTokens === undefined ? {} : { mostBatchTokens }),
  });
  return await tuneInProcess({
    device: hardware.device,
    splits,
    models: await Promise.all(models.map(describe)),
    timeoutMs: models[0] === all[0] ? TUNING_TIMEOUT_MS : OTHERS_TIMEOUT_MS,
    availableBytes: availableMemory(),
  });
}

const splitOf = ({ sessions, intra_op_threads: intraOpThreads }: TuningRecord): Split => ({ sessions, intraOpThreads });

/** `model 2x1@512: 11900, 2x1@1024: 12034`: sessions × intra-op threads @ budget. */
function figuresLine(models: readonly ModelAtStart[], records: TuningOutcome): string {
  const ofOne = (record: TuningRecord): string =>
    record.figures
      .map((figure) => `${figure.sessions}x${figure.intra_op_threads}@${figure.max_batch_tokens}: ${figure.tokens_per_s}`)
      .join(', ');
  return models
    .flatMap(({ model }, position) => {
      const record = records[position];
      return record === undefined ? [] : [`${model.name} ${ofOne(record)}`];
    })
    .join('; ');
}
