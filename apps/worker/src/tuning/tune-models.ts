import type { InferenceModel } from '../inference/inference-messages.js';
import type { TokenSequence } from '../pipeline/batch-runner.js';
import type { Device, Split } from './engine-shape.js';
import { tuneEngine, type RunnerGroup } from './tune-engine.js';
import type { TuningRecord } from './tuning-cache.js';

export interface ModelToTune {
  readonly model: InferenceModel;
  readonly modelBytes: number;
  readonly sample: TokenSequence;
  /** Larger batches do not fit into memory. */
  readonly mostBatchTokens?: number;
}

/** What is to be timed; it can be sent to another process. */
export interface TuningJob {
  readonly device: Device;
  /** The first model's split is chosen among these, the default first; the other models share it. */
  readonly splits: readonly [Split, ...Split[]];
  readonly models: readonly ModelToTune[];
  /** A worker takes no tasks while it tunes. */
  readonly timeoutMs: number;
  readonly availableBytes: number;
}

/** Of each model, in their order; undefined where there was no time for it, or it did not load. */
export type TuningOutcome = readonly (TuningRecord | undefined)[];

/** The first model also decides on the split, which takes more repetitions. */
const FIRST_SHARE = 0.6;

/** Times one model after the other, each with no other in memory. `start` loads a model in a split. */
export async function tuneModels(
  job: TuningJob,
  start: (model: InferenceModel, split: Split) => Promise<RunnerGroup>,
): Promise<TuningOutcome> {
  const deadline = performance.now() + job.timeoutMs;
  const records: (TuningRecord | undefined)[] = [];
  let splits = job.splits;
  let loadMsPerByte = 0;
  for (const [position, entry] of job.models.entries()) {
    const begun = performance.now();
    const left = job.models.length - position;
    const shareMs = (deadline - begun) * (left > 1 && splits.length > 1 ? FIRST_SHARE : 1 / left);
    if (loadMsPerByte * entry.modelBytes > shareMs) {
      records.push(undefined);
      continue;
    }
    const group = await start(entry.model, splits[0]).catch(() => undefined);
    const loadMs = performance.now() - begun;
    loadMsPerByte = loadMs / entry.modelBytes;
    const record =
      group === undefined ? undefined : await tuneOne({ job, entry, splits, group, loadMs, timeoutMs: shareMs - loadMs }, start);
    records.push(record);
    const { sessions, intra_op_threads: intraOpThreads } = record ?? { ...splits[0], intra_op_threads: splits[0].intraOpThreads };
    splits = [{ sessions, intraOpThreads }];
  }
  return records;
}

interface OneModel {
  readonly job: TuningJob;
  readonly entry: ModelToTune;
  readonly splits: readonly [Split, ...Split[]];
  /** It runs in the first split. */
  readonly group: RunnerGroup;
  readonly loadMs: number;
  readonly timeoutMs: number;
}

async function tuneOne(
  { job, entry, splits, group, loadMs, timeoutMs }: OneModel,
  start: (model: InferenceModel, split: Split) => Promise<RunnerGroup>,
): Promise<TuningRecord> {
  try {
    return await tuneEngine({
      device: job.device,
      model: entry.model.sha256,
      modelBytes: entry.modelBytes,
      sample: entry.sample,
      ...(entry.mostBatchTokens === undefined ? {} : { mostBatchTokens: entry.mostBatchTokens }),
      splits,
      running: group.runners,
      start: (split) => start(entry.model, split),
      loadMs,
      timeoutMs: Math.max(0, timeoutMs),
      availableBytes: job.availableBytes,
    });
  } finally {
    await group.close();
  }
}
