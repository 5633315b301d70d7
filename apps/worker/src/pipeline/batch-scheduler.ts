import { RerankError } from '@rerank-fleet/core/errors';
import { BatchPlanner, SYNC_TURNS, type PlannedItem, type Priority, type Withdraw } from './batch-planner.js';
import {
  faultOfRunner,
  padBatch,
  SequenceFault,
  type BatchOutput,
  type BatchRunner,
  type BatchTarget,
  type TokenSequence,
} from './batch-runner.js';
import { cutBatch, enoughToRun } from './cut-batch.js';
import { RunTimes, type Flight } from './run-times.js';
import type { BatchObserver, BatchSchedulerOptions, SchedulerStats, SubmitOptions, SubmittedRows } from './scheduling.js';
import { TokenBudget } from './token-budget.js';
import { untilAborted } from './until-aborted.js';

/** One sequence on its way through a model. */
interface Work extends PlannedItem {
  readonly sequence: TokenSequence;
  /** Of `performance.now()`. */
  readonly arrivedAt: number;
  readonly mark: unknown;
  readonly resolve: (row: Float32Array) => void;
  readonly reject: (error: Error) => void;
  /** As `reject`, where no other sequence can be to blame. */
  readonly convict: (fault: Error) => void;
  /** No runner has it in hand, and none will have. */
  readonly left: () => void;
  /** Out of the planner, if it is still there. */
  withdraw: Withdraw;
  /** Nobody waits for it any more. */
  dropped: boolean;
  /** It ran alone and failed by no fault of its own; it has one more attempt. */
  retried: boolean;
}

interface Lane {
  readonly runner: BatchRunner;
  /** The one that runs, and the one behind it: so the runner never waits for this thread. */
  readonly inHand: Flight[];
}

interface Queue {
  readonly key: string;
  readonly target: BatchTarget;
  readonly budget: TokenBudget;
  readonly planner: BatchPlanner<Work>;
}

/** Names the queue of a model, or of one of its segments. */
export function queueKey({ model, segment }: BatchTarget): string {
  return segment === undefined ? model : `${model}#${segment}`;
}

/**
 * Keeps the runners busy with batches that span requests. A batch that fails is halved until the one bad sequence is found; only that one is rejected. A
 * batch that does not fit into memory is planned anew under a lower budget.
 */
export class BatchScheduler {
  readonly #queues: ReadonlyMap<string, Queue>;
  readonly #lanes: readonly Lane[];
  readonly #runnerCount: number;
  readonly #delayMs: number;
  readonly #observer: BatchObserver | undefined;
  readonly #onBudgetLowered: BatchSchedulerOptions['onBudgetLowered'];
  readonly #totals = { batches: 0, sequences: 0, tokens: 0, paddedTokens: 0, runMs: 0 };
  readonly #runTimes = new RunTimes();
  #timer: NodeJS.Timeout | undefined;
  #expected = 0;
  #turns = 0;
  /** Sync batches that went while batch work waited. */
  #syncStreak = 0;

  constructor(options: BatchSchedulerOptions) {
    this.#queues = new Map(
      options.models.map(({ sha256, segment, maxBatchTokens, maxLength = 1, separateFrom }) => {
        const target = { model: sha256, ...(segment === undefined ? {} : { segment }) };
        const key = queueKey(target);
        return [key, { key, target, budget: new TokenBudget(maxBatchTokens, maxLength), planner: new BatchPlanner<Work>(separateFrom) }];
      }),
    );
    this.#lanes = options.runners.map((runner) => ({ runner, inHand: [] }));
    this.#runnerCount = options.runners.length;
    this.#delayMs = options.maxBatchDelayMs;
    this.#observer = options.observer;
    this.#onBudgetLowered = options.onBudgetLowered;
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

  /** The place in the queue of a request whose sequences come in parts; requests are served in the order of their turns. */
  turn(): number {
    return this.#turns++;
  }

  /** Tokens of the model that would run at once; nothing when every runner is busy. */
  appetite(model: string): number {
    return this.#idleLanes * (this.#queues.get(model)?.budget.tokens ?? 0);
  }

  /**
   * Runs sequences through a model; resolves to one row of output a sequence, in their order. The first that fails rejects, and what is not yet in a batch is
   * dropped; so it is when the signal aborts.
   *
   * @throws SequenceFault which of them the model fails on
   */
  async run(model: string, sequences: readonly TokenSequence[], options: SubmitOptions): Promise<Float32Array[]> {
    options.signal?.throwIfAborted();
    return await this.submit({ model }, sequences, options).rows;
  }

  /** As `run`, through a model or one segment of it. */
  submit(target: BatchTarget, sequences: readonly TokenSequence[], options: SubmitOptions): SubmittedRows {
    const queue = this.#queues.get(queueKey(target));
    if (options.signal?.aborted === true) return { rows: Promise.reject(options.signal.reason as Error), left: Promise.resolve() };
    if (queue === undefined) {
      const missing = new RerankError('model_unavailable', 'This worker does not hold the model.', { retryAfterS: 5 });
      return { rows: Promise.reject(missing), left: Promise.resolve() };
    }
    const works: Work[] = [];
    const rows = new Array<Promise<Float32Array>>(sequences.length);
    const arrivedAt = options.arrivedAt ?? performance.now();
    const allLeft = Promise.withResolvers<undefined>();
    let inside = sequences.length;
    if (inside === 0) allLeft.resolve(undefined);
    const leaveOnce = (): (() => void) => {
      let open = true;
      return () => {
        if (open && --inside === 0) allLeft.resolve(undefined);
        open = false;
      };
    };
    // Batch work is one request: nobody waits for a part of it.
    const request = options.priority === 'sync' ? { request: options.turn ?? this.turn() } : {};
    // Longest first: the oldest item starts a batch, and a batch grows from its longest.
    const mark = this.#observer?.mark?.();
    const order = sequences.map((_, index) => index).sort((a, b) => sequences[b]!.ids.length - sequences[a]!.ids.length);
    for (const index of order) {
      const sequence = sequences[index]!;
      rows[index] = new Promise((resolve, reject) => {
        const { priority, alone } = options;
        const length = sequence.ids.length;
        const state = { withdraw: () => false, dropped: false, retried: false };
        const convict = (fault: Error): void => reject(fault instanceof RerankError ? new SequenceFault(index, fault) : fault);
        const ends = { resolve, reject, convict, left: leaveOnce() };
        const work: Work = { priority, alone, sequence, length, arrivedAt, mark, ...ends, ...request, ...state };
        work.withdraw = queue.planner.add(work);
        works.push(work);
      });
    }
    this.#dispatch();
    const settled = untilAborted(Promise.all(rows), options.signal).finally(() => {
      for (const work of works) {
        work.dropped = true;
        if (work.withdraw()) work.left();
      }
    });
    return { rows: settled, left: allLeft.promise };
  }

  #dispatch(): void {
    clearTimeout(this.#timer);
    for (let lane = this.#freeLane(); lane !== undefined; lane = this.#freeLane()) {
      const turn = this.#syncStreak < SYNC_TURNS ? undefined : 'batch';
      const queue = this.#mostUrgent(turn) ?? this.#mostUrgent();
      if (queue === undefined || (lane.inHand.length > 0 && !isWorthQueueing(queue, turn))) return;
      const waitMs = lane.inHand.length > 0 ? 0 : this.#waitFor(queue);
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#dispatch(), waitMs);
        return;
      }
      void this.#occupy(lane, queue, turn);
    }
  }

  get #idleLanes(): number {
    return this.#lanes.filter(({ inHand }) => inHand.length === 0).length;
  }

  /** An idle one, or one whose next batch can be put behind the one that it runs. */
  #freeLane(): Lane | undefined {
    const lane = this.#lanes.reduce((best, each) => (each.inHand.length < best.inHand.length ? each : best));
    return lane.inHand.length < (lane.runner.takesAhead === true ? 2 : 1) ? lane : undefined;
  }

  /**
   * Sync before batch, then by age; or the oldest of one class. Survivors of early exit that would fill less than half a batch wait for those that the segments
   * before will send after them; each such batch brings some, so they do not wait long.
   */
  #mostUrgent(priority?: Priority): Queue | undefined {
    let best: Candidate | undefined;
    for (const queue of this.#queues.values()) {
      const item = queue.planner.next(priority);
      if (item === undefined) continue;
      const candidate = { queue, item, isThin: this.#isThin(queue, item.priority) };
      if (best === undefined || isMoreUrgent(candidate, best)) best = candidate;
    }
    return best?.queue;
  }

  #isThin({ target: { model, segment = 0 }, planner, budget }: Queue, priority: Priority): boolean {
    if (segment === 0 || planner.tokens >= budget.tokens / 2) return false;
    return Array.from({ length: segment }, (_, before) => this.#queues.get(queueKey({ model, segment: before }))).some(
      (queue) => queue?.planner.next(priority) !== undefined,
    );
  }

  /** Milliseconds to wait for batch mates: none when none are on their way, a batch is full, or the oldest has waited long enough. */
  #waitFor({ budget, planner }: Queue): number {
    if (this.#expected === 0 || planner.tokens >= enoughToRun(budget.tokens, this.#runnerCount)) return 0;
    const item = planner.next();
    return item === undefined || item.alone ? 0 : this.#delayMs - (performance.now() - item.arrivedAt);
  }

  async #occupy(lane: Lane, queue: Queue, turn: Priority | undefined): Promise<void> {
    const favoured = this.#take(queue, turn);
    const items = favoured.length > 0 ? favoured : this.#take(queue);
    const batchWaits = this.#mostUrgent('batch') !== undefined;
    this.#syncStreak = batchWaits && items[0]?.priority === 'sync' ? this.#syncStreak + 1 : 0;
    const paddedTokens = items.length * Math.max(...items.map(({ length }) => length));
    const flight = this.#runTimes.begin(queue.key, paddedTokens, lane.inHand.length > 0);
    lane.inHand.push(flight);
    this.#dispatch();
    await this.#runHalving(lane.runner, queue, items);
    this.#runTimes.end(flight);
    lane.inHand.splice(lane.inHand.indexOf(flight), 1);
    if (lane.inHand[0] !== undefined) this.#runTimes.start(lane.inHand[0]);
    this.#dispatch();
  }

  #take({ key, planner, budget }: Queue, priority?: Priority): Work[] {
    const runners = { count: this.#runnerCount, idle: this.#idleLanes, tokensLeft: this.#runTimes.tokensLeft(key) };
    return planner.take({
      ...cutBatch(planner.waiting(priority), budget.tokens, runners),
      ...(priority === undefined ? {} : { priority }),
    });
  }

  async #runHalving(runner: BatchRunner, queue: Queue, items: readonly Work[]): Promise<void> {
    const startedAt = performance.now();
    let output: BatchOutput;
    try {
      const sequences = items.map(({ sequence }) => sequence);
      const batch = { ...padBatch(queue.target.model, sequences, queue.target.segment), reference: items[0]?.alone === true };
      output = await runner.run(batch);
      this.#count(queue.key, items, { longest: batch.sequence, runMs: output.runMs });
      const { runMs, ranAt } = output;
      const times = { runMs, startedAt, endedAt: performance.now(), ...(ranAt === undefined ? {} : { ranAt }) };
      const ran = items.map(({ length, priority, arrivedAt, mark }) => ({ length, priority, waitMs: startedAt - arrivedAt, mark }));
      const { target, budget } = queue;
      const report = { ...target, sequences: ran, paddedTokens: batch.sequence * items.length, budget: budget.tokens, ...times };
      // Once the runner has its next batch.
      setImmediate(() => this.#observer?.batchRan(report));
    } catch (error) {
      await this.#tryAgain(runner, queue, items, error);
      return;
    }
    const spoilt = items.filter((item, row) => {
      const values = output.values.subarray(row * output.width, (row + 1) * output.width);
      if (!values.every(Number.isFinite)) {
        if (items.length > 1 && queue.target.segment === undefined) return true;
        item.convict(new RerankError('score_not_finite', 'The model gave a value that is not a number for one of the texts.'));
      } else item.resolve(values);
      item.left();
      return false;
    });
    // Dynamic int8 has one scale for a whole batch: one pair out of all range may spoil the others' scores.
    if (spoilt.length > 0) await this.#runHalves(runner, queue, spoilt);
  }

  /** What nobody waits for any more is left out. */
  async #tryAgain(runner: BatchRunner, queue: Queue, failed: readonly Work[], error: unknown): Promise<void> {
    const items = stillWanted(failed);
    const [first] = items;
    if (first === undefined) return;
    const fault = faultOfRunner(error);
    if (queue.target.segment !== undefined && fault?.reason === 'out-of-memory') this.#lowerBudget(queue, failed);
    // A segment leaves other states behind than it found: its pairs cannot run it twice, and whoever sent them runs the whole model.
    if (queue.target.segment !== undefined) {
      for (const item of items) {
        item.reject(fault ?? (error as Error));
        item.left();
      }
      return;
    }
    if (failed.length === 1 && (fault === undefined || first.retried)) {
      first.convict(fault ?? (error as Error));
      first.left();
      return;
    }
    if (failed.length === 1) {
      first.retried = true;
      await this.#runHalving(runner, queue, items);
      return;
    }
    if (fault?.reason === 'out-of-memory' && this.#planAnew(queue, failed, items)) return;
    await this.#runHalves(runner, queue, items);
  }

  async #runHalves(runner: BatchRunner, queue: Queue, items: readonly Work[]): Promise<void> {
    const middle = Math.ceil(items.length / 2);
    for (const half of [items.slice(0, middle), items.slice(middle)]) {
      const wanted = stillWanted(half);
      if (wanted.length > 0) await this.#runHalving(runner, queue, wanted);
    }
  }

  /** Lowers the budget below a batch that memory had no room for, and queues what was in it. False when the budget is as low as it may be. */
  #planAnew(queue: Queue, failed: readonly Work[], items: readonly Work[]): boolean {
    const padded = this.#lowerBudget(queue, failed);
    // Otherwise it might be planned as it was, time and again.
    if (padded <= queue.budget.tokens) return false;
    for (const item of items) item.withdraw = queue.planner.add(item);
    return true;
  }

  /** Returns the padded tokens of the batch. */
  #lowerBudget({ target, budget }: Queue, failed: readonly Work[]): number {
    const padded = failed.length * Math.max(...failed.map(({ length }) => length));
    const { model, segment } = target;
    if (budget.lowerBelow(padded)) this.#onBudgetLowered?.(model, budget.tokens, ...(segment === undefined ? [] : [segment]));
    return padded;
  }

  #count(key: string, items: readonly Work[], { longest, runMs }: { readonly longest: number; readonly runMs: number }): void {
    this.#runTimes.learn(key, longest * items.length, runMs);
    this.#totals.batches += 1;
    this.#totals.sequences += items.length;
    this.#totals.tokens += items.reduce((sum, item) => sum + item.length, 0);
    this.#totals.paddedTokens += longest * items.length;
    this.#totals.runMs += runMs / this.#runnerCount;
  }
}

/**
 * Whether a batch may be put behind one that runs: where a full one waits, so that what is left in the end is still shared out as runners come free; and of calls and segments
 * only, as a call that comes now would wait for it.
 */
function isWorthQueueing({ target, planner, budget }: Queue, turn: Priority | undefined): boolean {
  const item = planner.next(turn) ?? planner.next();
  return planner.tokens > 2 * budget.tokens && (item?.priority === 'sync' || target.segment !== undefined);
}

interface Candidate {
  readonly queue: Queue;
  readonly item: Work;
  readonly isThin: boolean;
}

function isMoreUrgent(a: Candidate, b: Candidate): boolean {
  if (a.item.priority !== b.item.priority) return a.item.priority === 'sync';
  return a.isThin === b.isThin ? a.item.arrivedAt < b.item.arrivedAt : b.isThin;
}

/** Those whose request has not ended meanwhile; the others leave. */
function stillWanted(items: readonly Work[]): readonly Work[] {
  for (const item of items) if (item.dropped) item.left();
  return items.filter(({ dropped }) => !dropped);
}
