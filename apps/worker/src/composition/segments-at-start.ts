import { stat } from 'node:fs/promises';
import { availableMemory } from 'node:process';
import type { Config } from '@rerank-fleet/core/config';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import type { Logger } from '@rerank-fleet/core/observability';
import { runtimeVersion } from '../inference/runtime-version.js';
import type { SequenceEncoder } from '../pipeline/sequence-encoder.js';
import type { SegmentBudget } from '../tuning/engine-budgets.js';
import { SESSION_PER_FILE, type Split } from '../tuning/engine-shape.js';
import type { Hardware } from '../tuning/hardware.js';
import { layersOf } from '../tuning/measure-segments.js';
import { SAMPLE_TOKENS, sampleSequence } from '../tuning/sample-sequence.js';
import { isTuned, SegmentTuningCache, type SegmentRecord } from '../tuning/segment-tuning-cache.js';
import { tuneSegmentsInProcess } from '../tuning/tune-in-process.js';
import type { SegmentsToTune } from '../tuning/tune-segments.js';
import type { ModelExit } from './exit-at-start.js';
import type { ModelAtStart } from './tune-at-start.js';

/** A first start waits for it, loading included; later ones read what it chose (docs/decisions/0006-…). */
const TIMEOUT_MS = 3_000;
/** Part of the free memory that segments under test may take, beside the model that comes with them. */
const MEMORY_SHARE = 0.5;

export interface CutAtStart {
  readonly start: ModelAtStart;
  readonly exit: ModelExit;
  /** Budget of the whole model, in padded tokens of a batch. */
  readonly maxBatchTokens: number;
  /** Whether that was measured. Where it was not, there is nothing to judge segments by, nor a machine that is quiet or fast enough. */
  readonly tuned: boolean;
}

export interface SegmentsAtStartOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly encoder: SequenceEncoder;
  readonly hardware: Hardware;
  readonly split: Split;
  readonly models: readonly CutAtStart[];
}

/** Budgets of the segments of each model, by its sha256: as configured, as an earlier start chose, or timed now and kept. */
export async function segmentsAtStart(options: SegmentsAtStartOptions): Promise<ReadonlyMap<string, readonly SegmentBudget[]>> {
  const { worker } = options.config;
  const mayTune = worker.autoTune && worker.maxBatchTokens === undefined && worker.earlyExitBatchTokens === undefined;
  const records = mayTune ? await tunedRecords(options) : new Map<CutAtStart, readonly SegmentRecord[]>();
  return new Map(options.models.map((model) => [model.start.model.sha256, budgetsOf(model, records.get(model), options.config)]));
}

/** Nothing is above what earlier starts found memory to have room for. */
function budgetsOf(
  { start, exit, maxBatchTokens }: CutAtStart,
  records: readonly SegmentRecord[] | undefined,
  { worker }: Config,
): SegmentBudget[] {
  const { mostBatchTokens = Infinity } = start;
  const configured = worker.earlyExitBatchTokens;
  return exit.segmented.segments.map((segment, at) => {
    const record = records?.[at];
    const tokens = configured?.[at] ?? configured?.at(-1) ?? record?.max_batch_tokens ?? maxBatchTokens;
    return { layers: layersOf(segment), maxBatchTokens: Math.min(mostBatchTokens, tokens), tuned: record?.tuned ?? false };
  });
}

interface Untimed {
  readonly model: CutAtStart;
  readonly cache: SegmentTuningCache;
}

async function tunedRecords(options: SegmentsAtStartOptions): Promise<Map<CutAtStart, readonly SegmentRecord[]>> {
  const { hardware, split, models, log } = options;
  const records = new Map<CutAtStart, readonly SegmentRecord[]>();
  const missing: Untimed[] = [];
  for (const model of models.filter(({ tuned }) => tuned)) {
    const { name } = model.start.model;
    const cache = cacheOf(model, options);
    const known = await cache.read();
    if (known !== undefined) records.set(model, known);
    else if (await fits(model, split)) missing.push({ model, cache });
    else log.info({ model: name }, 'The segments of the model are not timed: there is too little memory to load them beside it.');
  }
  if (missing.length === 0) return records;
  const begun = performance.now();
  const segmentsOf = await Promise.all(missing.map(({ model }) => describe(model, options)));
  const timed = await tuneSegmentsInProcess({ device: hardware.device, split, segmentsOf, timeoutMs: TIMEOUT_MS });
  const tookMs = Math.round(performance.now() - begun);
  for (const [at, untimed] of missing.entries()) {
    const chosen = timed[at] ?? standard(untimed.model);
    records.set(untimed.model, chosen);
    await keep(chosen, untimed, { ...options, tookMs });
  }
  return records;
}

async function keep(
  chosen: readonly SegmentRecord[],
  { model, cache }: Untimed,
  { log, config, tookMs }: SegmentsAtStartOptions & { readonly tookMs: number },
): Promise<void> {
  const fields = { model: model.start.model.name, kept: cache.path, took_ms: tookMs };
  const budgets = budgetsOf(model, chosen, config).map((own) => `${own.layers}: ${own.maxBatchTokens}`);
  const figures = { max_batch_tokens: budgets.join(', '), tokens_per_s: figuresLine(model, chosen) };
  if (isTuned(chosen)) log.info({ ...fields, ...figures }, 'The segments of the model were tuned.');
  else log.info(fields, 'The segments of the model could not be timed in the time that a start has; later ones try again.');
  await cache.write(chosen).catch((error: unknown) => {
    log.warn({ err: error }, 'The budgets of segments cannot be kept; the next start measures again.');
  });
}

function cacheOf({ start, exit, maxBatchTokens }: CutAtStart, { config, hardware, split }: SegmentsAtStartOptions): SegmentTuningCache {
  return new SegmentTuningCache(defaultCacheDirectory(config.models.cacheHome), {
    model: start.model.sha256,
    variant: start.inference.fast?.name,
    cuts: exit.segmented.cuts,
    hardware,
    onnxruntime: runtimeVersion(),
    split,
    maxBatchTokens,
  });
}

/** The model is loaded beside its segments. */
async function fits({ start }: CutAtStart, { sessions }: Split): Promise<boolean> {
  const { size } = await stat(start.model.onnxPath);
  return 2 * size * SESSION_PER_FILE * sessions <= availableMemory() * MEMORY_SHARE;
}

async function describe({ start, exit, maxBatchTokens }: CutAtStart, { encoder }: SegmentsAtStartOptions): Promise<SegmentsToTune> {
  const { model, inference, mostBatchTokens } = start;
  const { memory: _, ...segmented } = exit.segmented;
  return {
    model: { ...inference, segmented },
    sample: await sampleSequence(encoder, model.sha256, Math.min(SAMPLE_TOKENS, model.maxLength)),
    maxBatchTokens,
    ...(mostBatchTokens === undefined ? {} : { mostBatchTokens }),
  };
}

const standard = ({ exit, maxBatchTokens }: CutAtStart): SegmentRecord[] =>
  exit.segmented.segments.map(() => ({ max_batch_tokens: maxBatchTokens, tuned: false, figures: [] }));

/** `1-2@512: 24100, 1-2@256: 23800, 3-4@512: …`: layers @ budget. */
function figuresLine({ exit }: CutAtStart, records: readonly SegmentRecord[]): string {
  return exit.segmented.segments
    .flatMap((segment, at) =>
      (records[at]?.figures ?? []).map((own) => `${layersOf(segment)}@${own.max_batch_tokens}: ${own.tokens_per_s}`),
    )
    .join(', ');
}
