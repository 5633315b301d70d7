import { RerankError } from '@rerank-fleet/core/errors';
import { BatchPlanner, MOST_PADDING, type PlannedItem, type Priority } from './batch-planner.js';
import { padBatch, type BatchOutput, type BatchRunner, type TokenSequence } from './batch-runner.js';

/** One sequence on its way through a model. */
interface Work extends PlannedItem {
  readonly sequence: TokenSequence;
  /** Of `performance.now()`. */
  readonly arrivedAt: number;
  readonly resolve: (row: Float32Array) => void;
  readonly reject: (error: Error) => void;
}

export interface ScheduledModel {
  readonly sha256: string;
  /** Padded tokens of a batch. */
  readonly maxBatchTokens: number;
}

/** A batch that the model ran. */
export interface BatchReport {
  /** sha256 of the model. */
  readonly model: string;
  /** What ran together; `waitMs` is from its arrival to the start of the batch. */
  readonly sequences: readonly { readonly length: number; readonly priority: Priority; readonly waitMs: number }[];
  readonly paddedTokens: number;
  /** Padded tokens that it might have had. */
  readonly budget: number;
  readonly runMs: number;
}

/** Told of each batch as it comes back. It must not throw. */
export interface BatchObserver {
  batchRan(report: BatchReport): void;
}

export interface BatchSchedulerOptions {
  readonly models: readonly ScheduledModel[];
  readonly runners: readonly BatchRunner[];
  /** Longest wait of a sequence for batch mates that are on their way, while a runner is idle. */
  readonly maxBatchDelayMs: number;
  readonly observer?: BatchObserver;
}

export interface SubmitOptions {
  readonly priority: 'sync' | 'batch';
  /** One sequence a batch. */
  readonly alone: boolean;
  readonly signal?: AbortSignal;
}

/** Running totals since start. */
export interface SchedulerStats {
  readonly batches: number;
  readonly sequences: number;
  readonly tokens: number;
  readonly paddedTokens: number;
  readonly runMs: number;
  readonly waiting: number;
}

/** Sync work goes first, but after this many of its batches in a row one of batch work has its turn: a flood of calls must not stop an ingest for good. */
const SYNC_TURNS = 15;

interface Queue {
  readonly model: ScheduledModel;
  readonly planner: BatchPlanner<Work>;
}

/**
 * Keeps the runners busy with batches that span requests. A batch that fails is halved until the one bad sequence is found; only that one is rejected.
 */
export class BatchScheduler {
  readonly #queues: ReadonlyMap<string, Queue>;
  readonly #idle: BatchRunner[];
  readonly #runnerCount: number;
  readonly #delayMs: number;
  readonly #observer: BatchObserver | undefined;
  readonly #totals = { batches: 0, sequences: 0, tokens: 0, paddedTokens: 0, runMs: 0 };
  #timer: NodeJS.Timeout | undefined;
  #expected = 0;
  /** Sync batches that went while batch work waited. */
  #syncStreak = 0;

  constructor(options: BatchSchedulerOptions) {
    this.#queues = new Map(options.models.map((model) => [model.sha256, { model, planner: new BatchPlanner<Work>() }]));
    this.#idle = [...options.runners];
    this.#runnerCount = options.runners.length;
    this.#delayMs = options.maxBatchDelayMs;
    this.#observer = options.observer;
  }

  get stats(): SchedulerStats {
    return { ...this.#totals, waiting: [...this.#queues.values()].reduce((sum, { planner }) => sum + planner.size, 0) };
  }

  /** Says that sequences are on their way (being tokenized): batch mates worth a short wait. Call what it returns when they are here, or will not come. */
  expect(): () => void {
    this.#expected += 1;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#expected -= 1;
      if (this.#expected === 0) this.#dispatch();
    };
  }

  /**
   * Runs sequences through a model; resolves to one row of output a sequence, in their order. The first that fails rejects, and what is not yet in a batch is
   * dropped; so it is when the signal aborts.
   */
  async run(model: string, sequences: readonly TokenSequence[], options: SubmitOptions): Promise<Float32Array[]> {
    const queue = this.#queues.get(model);
    if (queue === undefined) throw new RerankError('model_unavailable', 'This worker does not hold the model.', { retryAfterS: 5 });
    options.signal?.throwIfAborted();
    const withdrawals: (() => void)[] = [];
    const rows = new Array<Promise<Float32Array>>(sequences.length);
    const arrivedAt = performance.now();
    // Longest first: the oldest item starts a batch, and a batch grows from its longest.
    const order = sequences.map((_, index) => index).sort((a, b) => sequences[b]!.ids.length - sequences[a]!.ids.length);
    for (const index of order) {
      const sequence = sequences[index]!;
      rows[index] = new Promise((resolve, reject) => {
        withdrawals.push(queue.planner.add({ ...options, sequence, length: sequence.ids.length, arrivedAt, resolve, reject }));
      });
    }
    this.#dispatch();
    try {
      return await untilAborted(Promise.all(rows), options.signal);
    } finally {
      for (const withdraw of withdrawals) withdraw();
    }
  }

  #dispatch(): void {
    clearTimeout(this.#timer);
    while (this.#idle.length > 0) {
      const turn = this.#syncStreak < SYNC_TURNS ? undefined : 'batch';
      const queue = this.#mostUrgent(turn) ?? this.#mostUrgent();
      if (queue === undefined) return;
      const waitMs = this.#waitFor(queue);
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#dispatch(), waitMs);
        return;
      }
      const runner = this.#idle.pop() as BatchRunner;
      void this.#occupy(runner, queue, turn);
    }
  }

  /** Sync before batch, then by age; or the oldest of one class. */
  #mostUrgent(priority?: Priority): Queue | undefined {
    let best: { queue: Queue; item: Work } | undefined;
    for (const queue of this.#queues.values()) {
      const item = queue.planner.next(priority);
      if (item !== undefined && (best === undefined || isMoreUrgent(item, best.item))) best = { queue, item };
    }
    return best?.queue;
  }

  /** Milliseconds to wait for batch mates: none when none are on their way, a batch is full, or the oldest has waited long enough. */
  #waitFor({ model, planner }: Queue): number {
    if (this.#expected === 0 || planner.tokens >= model.maxBatchTokens) return 0;
    const item = planner.next();
    return item === undefined || item.alone ? 0 : this.#delayMs - (performance.now() - item.arrivedAt);
  }

  async #occupy(runner: BatchRunner, { model, planner }: Queue, turn: Priority | undefined): Promise<void> {
    // When little waits, it is shared out among the idle runners: two small batches side by side end before one large one.
    // The last idle runner takes all: a share counts no padding, so it would leave a sequence behind for a batch of its own.
    const share = this.#idle.length === 0 ? Infinity : Math.ceil(planner.tokens / (1 - MOST_PADDING) / (this.#idle.length + 1));
    const budget = Math.min(model.maxBatchTokens, share);
    const favoured = planner.take(budget, turn);
    const items = favoured.length > 0 ? favoured : planner.take(budget);
    const batchWaits = this.#mostUrgent('batch') !== undefined;
    this.#syncStreak = batchWaits && items[0]?.priority === 'sync' ? this.#syncStreak + 1 : 0;
    this.#dispatch();
    await this.#runHalving(runner, model, items);
    this.#idle.push(runner);
    this.#dispatch();
  }

  async #runHalving(runner: BatchRunner, model: ScheduledModel, items: readonly Work[]): Promise<void> {
    let output: BatchOutput;
    const startedAt = performance.now();
    try {
      const batch = padBatch(
        model.sha256,
        items.map(({ sequence }) => sequence),
      );
      output = await runner.run(batch);
      this.#count(items, batch.sequence, output.runMs);
      this.#observer?.batchRan({
        model: model.sha256,
        sequences: items.map(({ length, priority, arrivedAt }) => ({ length, priority, waitMs: startedAt - arrivedAt })),
        paddedTokens: batch.sequence * items.length,
        budget: model.maxBatchTokens,
        runMs: output.runMs,
      });
    } catch (error) {
      if (items.length <= 1) {
        items[0]?.reject(error as Error);
        return;
      }
      const middle = Math.ceil(items.length / 2);
      await this.#runHalving(runner, model, items.slice(0, middle));
      await this.#runHalving(runner, model, items.slice(middle));
      return;
    }
    items.forEach((item, row) => settle(item, output.values.subarray(row * output.width, (row + 1) * output.width)));
  }

  #count(items: readonly Work[], longest: number, runMs: number): void {
    this.#totals.batches += 1;
    this.#totals.sequences += items.length;
    this.#totals.tokens += items.reduce((sum, item) => sum + item.length, 0);
    this.#totals.paddedTokens += longest * items.length;
    this.#totals.runMs += runMs / this.#runnerCount;
  }
}

function isMoreUrgent(a: Work, b: Work): boolean {
  return a.priority === b.priority ? a.arrivedAt < b.arrivedAt : a.priority === 'sync';
}

function settle(item: Work, row: Float32Array): void {
  if (row.every(Number.isFinite)) item.resolve(row);
  else item.reject(new RerankError('score_not_finite', 'The model gave a value that is not a number for one of the texts.'));
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort);
  });
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
