import type { InferenceModel } from '../inference/inference-messages.js';
import type { TokenSequence } from '../pipeline/batch-runner.js';
import { chooseSegmentBudget } from './choose-shape.js';
import type { Device, Split } from './engine-shape.js';
import { median, pairsOf, type Rates } from './measure-rates.js';
import { measureSegments, mostPairs, segmentRoom, type CutModel } from './measure-segments.js';
import type { SegmentRecord } from './segment-tuning-cache.js';
import type { RunnerGroup } from './tune-engine.js';

export interface SegmentsToTune {
  readonly model: CutModel;
  readonly sample: TokenSequence;
  /** Budget of the whole model: each segment keeps it unless another one wins. */
  readonly maxBatchTokens: number;
  /** Larger batches do not fit into memory. @defaultValue any size fits */
  readonly mostBatchTokens?: number;
}

/** What is to be timed; it can be sent to another process. */
export interface SegmentTuningJob {
  readonly device: Device;
  readonly split: Split;
  readonly segmentsOf: readonly SegmentsToTune[];
  /** A worker takes no tasks while it tunes. */
  readonly timeoutMs: number;
}

/** Of each model, in their order: its segments in the order of their layers. Undefined where it did not load. */
export type SegmentTuningOutcome = readonly (readonly SegmentRecord[] | undefined)[];

const ROUNDS = 5;
/** Short, as there are many: a batch or two of the default model. */
const LEAST_MS = 25;

/** Times the segments of one model after the other, each with no other in memory. `start` loads a model in the split. */
export async function tuneSegments(
  { split, segmentsOf, timeoutMs }: SegmentTuningJob,
  start: (model: InferenceModel, split: Split) => Promise<RunnerGroup>,
): Promise<SegmentTuningOutcome> {
  const end = performance.now() + timeoutMs;
  const outcome: (readonly SegmentRecord[] | undefined)[] = [];
  for (const [position, entry] of segmentsOf.entries()) {
    const begun = performance.now();
    const deadline = begun + (end - begun) / (segmentsOf.length - position);
    outcome.push(await tuneOne(entry, { split, deadline, start }).catch(() => undefined));
  }
  return outcome;
}

async function tuneOne(
  { model, sample, maxBatchTokens, mostBatchTokens = Infinity }: SegmentsToTune,
  {
    split,
    deadline,
    start,
  }: {
    readonly split: Split;
    readonly deadline: number;
    readonly start: (model: InferenceModel, split: Split) => Promise<RunnerGroup>;
  },
): Promise<SegmentRecord[]> {
  const budgets = segmentBudgets(maxBatchTokens, mostBatchTokens, sample);
  const room = segmentRoom(model, sample, { runners: split.sessions, pairs: mostPairs(budgets, sample) });
  const group = await start(room.model, split);
  try {
    const bySegment = await measureSegments(
      { room, runners: group.runners, budgets },
      { sample, rounds: ROUNDS, leastMs: LEAST_MS, deadline },
    );
    return bySegment.map((rates) => describe(budgets, rates, maxBatchTokens));
  } finally {
    await group.close();
  }
}

/** Budgets worth timing: the whole model's first, half of it and twice it. Those that make batches of as many pairs as another one are left out. */
function segmentBudgets(whole: number, most: number, sample: TokenSequence): number[] {
  const pairs = (maxBatchTokens: number): number => pairsOf({ maxBatchTokens }, sample);
  const others = [Math.floor(whole / 2), whole * 2].filter((budget) => budget <= most && pairs(budget) !== pairs(whole));
  return [whole, ...others];
}

function describe(budgets: readonly number[], rates: readonly Rates[], whole: number): SegmentRecord {
  const chosen = chooseSegmentBudget(budgets.map((option, at) => ({ option, rates: rates[at]! })));
  return {
    max_batch_tokens: chosen ?? whole,
    tuned: chosen !== undefined,
    figures: budgets.flatMap((budget, at) => {
      const own = rates[at]!;
      return own.length === 0 ? [] : [{ max_batch_tokens: budget, tokens_per_s: Math.round(median(own)), rounds: own.length }];
    }),
  };
}
