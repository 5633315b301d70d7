import type { BatchRunner, TokenSequence } from '../pipeline/batch-runner.js';
import { chooseBudget, chooseSplit } from './choose-shape.js';
import { affordableSplits, budgetCandidates, DEFAULT_BATCH_TOKENS, type Device, type Split } from './engine-shape.js';
import { measureRates, median, type Candidate, type MeasureOptions, type Rates } from './measure-rates.js';
import type { TuningRecord } from './tuning-cache.js';

/** Sessions of one split, ready to run. */
export interface RunnerGroup {
  readonly runners: readonly BatchRunner[];
  close(): Promise<void>;
}

export interface TuningOptions {
  readonly device: Device;
  /** sha256 of the model. */
  readonly model: string;
  readonly modelBytes: number;
  readonly sample: TokenSequence;
  /** Larger batches do not fit into memory. @defaultValue any size fits */
  readonly mostBatchTokens?: number;
  /** The first is the default, and runs already. */
  readonly splits: readonly [Split, ...Split[]];
  readonly running: readonly BatchRunner[];
  /** Starts the model alone in another split. */
  readonly start: (split: Split) => Promise<RunnerGroup>;
  /** What the first split took to load: others take about as long. */
  readonly loadMs: number;
  /** A worker takes no tasks while it tunes. */
  readonly timeoutMs: number;
  readonly availableBytes: number;
  /** Shortest measurement. @defaultValue 120 */
  readonly leastMs?: number;
}

/** The split is chosen between few candidates, and a wrong choice costs more. */
const ROUNDS = { split: 5, budget: 3 } as const;
/** Part of the time that the choice of the split may take; the budget has what is left. */
const SPLIT_SHARE = 0.5;
/** Part of the time that loading may take: where a model takes longer, its split stays the default. */
const LOAD_SHARE = 0.3;

/** First the split at the default budget, then the budget at the chosen split. What fails or does not fit into the time is left out. */
export async function tuneEngine(options: TuningOptions): Promise<TuningRecord> {
  const { device, splits, mostBatchTokens = Infinity } = options;
  const begun = performance.now();
  const standard = Math.min(DEFAULT_BATCH_TOKENS[device], mostBatchTokens);
  const groups = new Map<Split, RunnerGroup>();
  try {
    await startOthers(options, groups, begun + options.timeoutMs * LOAD_SHARE);
    const measure = measuring(options, groups);
    const bySplit =
      groups.size === 0
        ? []
        : await measure(
            [splits[0], ...groups.keys()].map((split) => ({ split, maxBatchTokens: standard })),
            { rounds: ROUNDS.split, deadline: begun + options.timeoutMs * SPLIT_SHARE },
          );
    const split = chooseSplit(bySplit.map(({ shape, rates }) => ({ option: shape.split, rates }))) ?? splits[0];
    const budgets = budgetCandidates(device, split).filter((maxBatchTokens) => maxBatchTokens <= mostBatchTokens);
    // Where memory leaves no choice, there is nothing to time.
    const decided = budgets.length < 2;
    const byBudget = await measure(decided ? [] : budgets.map((maxBatchTokens) => ({ split, maxBatchTokens })), {
      rounds: ROUNDS.budget,
      deadline: begun + options.timeoutMs,
    });
    const budget = chooseBudget(byBudget.map(({ shape, rates }) => ({ option: shape.maxBatchTokens, rates })));
    return {
      max_batch_tokens: budget ?? standard,
      ...describeSplit(split),
      tuned: decided || budget !== undefined,
      figures: [...bySplit, ...byBudget].flatMap(figureOf),
    };
  } finally {
    await Promise.all([...groups.values()].map((group) => group.close()));
  }
}

interface Shape {
  readonly split: Split;
  readonly maxBatchTokens: number;
}

interface MeasuredShape {
  readonly shape: Shape;
  readonly rates: Rates;
}

async function startOthers(options: TuningOptions, groups: Map<Split, RunnerGroup>, deadline: number): Promise<void> {
  const { splits, modelBytes, availableBytes, start, loadMs } = options;
  // One after the other: to load all at once takes the most memory at the worst time.
  for (const split of affordableSplits(splits, modelBytes, availableBytes).slice(1)) {
    if (performance.now() + loadMs > deadline) return;
    const group = await start(split).catch(() => undefined);
    if (group !== undefined) groups.set(split, group);
  }
}

function measuring({ model, sample, running, leastMs }: TuningOptions, groups: ReadonlyMap<Split, RunnerGroup>) {
  return async (shapes: readonly Shape[], limits: Pick<MeasureOptions, 'rounds' | 'deadline'>): Promise<MeasuredShape[]> => {
    const candidates = shapes.map(({ split, maxBatchTokens }): Candidate => ({
      runners: groups.get(split)?.runners ?? running,
      maxBatchTokens,
    }));
    const options: MeasureOptions = { model, sample, ...limits, ...(leastMs === undefined ? {} : { leastMs }) };
    const rates = await measureRates(candidates, options);
    return shapes.map((shape, position) => ({ shape, rates: rates[position] ?? [] }));
  };
}

function figureOf({ shape, rates }: MeasuredShape): TuningRecord['figures'] {
  if (rates.length === 0) return [];
  return [
    {
      max_batch_tokens: shape.maxBatchTokens,
      ...describeSplit(shape.split),
      tokens_per_s: Math.round(median(rates)),
      rounds: rates.length,
    },
  ];
}

const describeSplit = ({ sessions, intraOpThreads }: Split) => ({ sessions, intra_op_threads: intraOpThreads });
