import type { Pace, Steps } from '@rerank-fleet/core/retrieval';

/** Longest stretch of one call while others wait, and of all without a look at what arrived. */
const TURN_MS = 8;
/** Turns of work that goes before other work, for each turn of that. */
const PATIENCE = 8;

/** Who goes first: a call that just came (most are short), a call that had a turn already, an upload. */
const LANES = ['fresh', 'sync', 'batch'] as const;
type Lane = (typeof LANES)[number];

/** Thrown into work that nobody waits for any more. */
export class CancelledWorkError extends Error {
  override readonly name = 'CancelledWorkError';
}

/**
 * Shares one thread among calls. One works at a time, in turns of some milliseconds, so that a short call never waits for a long one; between turns the
 * thread looks at its messages.
 */
export class Turns {
  readonly #lanes: Readonly<Record<Lane, (() => void)[]>> = { fresh: [], sync: [], batch: [] };
  readonly #passedOver: Record<Lane, number> = { fresh: 0, sync: 0, batch: 0 };
  #busy = false;
  /** When the thread last looked at its messages. */
  #lookedAt = 0;

  /**
   * @param work must do whatever takes time through the pace it is given, and await nothing else
   * @returns cancels it: its next step throws CancelledWorkError
   */
  begin(priority: 'sync' | 'batch', work: (pace: Pace) => Promise<void>): () => void {
    let cancelled = false;
    const lane: Lane = priority;
    const check = (): void => {
      if (cancelled) throw new CancelledWorkError('Nobody waits for this work.');
    };
    const pace: Pace = (steps) => {
      check();
      return this.#run(steps, lane, check);
    };
    const done = (): void => this.#handOver();
    this.#lanes[priority === 'sync' ? 'fresh' : 'batch'].push(() => void work(pace).then(done, done));
    if (!this.#busy) this.#next();
    return () => (cancelled = true);
  }

  #run<T>(steps: Steps<T>, lane: Lane, check: () => void): T | Promise<T> {
    while (performance.now() - this.#lookedAt < TURN_MS) {
      const { done, value } = steps.next();
      if (done === true) return value;
    }
    return this.#rest(lane).then(() => {
      check();
      return this.#run(steps, lane, check);
    });
  }

  #rest(lane: Lane): Promise<void> {
    return new Promise((resolve) => {
      this.#lanes[lane].push(resolve);
      this.#handOver();
    });
  }

  #handOver(): void {
    if (performance.now() - this.#lookedAt < TURN_MS) this.#next();
    else setImmediate(() => this.#next());
  }

  #next(): void {
    const resume = this.#pick();
    if (!this.#busy || performance.now() - this.#lookedAt >= TURN_MS) this.#lookedAt = performance.now();
    this.#busy = resume !== undefined;
    resume?.();
  }

  /** The first lane in which somebody waits, or one behind it that was passed over long enough. */
  #pick(): (() => void) | undefined {
    const waiting = LANES.filter((lane) => this.#lanes[lane].length > 0);
    const [first, ...behind] = waiting;
    if (first === undefined) return undefined;
    const lane = behind.find((other) => ++this.#passedOver[other] > PATIENCE) ?? first;
    this.#passedOver[lane] = 0;
    return this.#lanes[lane].shift();
  }
}
