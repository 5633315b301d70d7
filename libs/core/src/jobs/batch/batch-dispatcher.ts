import { batchQueue, expressQueue, TASK_VERSION, type TaskPayload } from '../../contracts/index.js';
import type { JobQueue } from '../../ports/index.js';
import type { BatchLedger, SliceRef } from './batch-ledger.js';

export interface BatchDispatcherParts {
  readonly ledger: Pick<BatchLedger, 'pick'>;
  readonly queue: Pick<JobQueue, 'enqueue' | 'discard'>;
  /** Slices that the live workers of a pool take at once. */
  readonly slotsOf: (pool: string) => Promise<number>;
  /** Of tenants; 1 where none is said. */
  readonly weights: Readonly<Record<string, number>>;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
}

/** More slices in the queue than workers take at once, so that one that has ended a slice finds the next there. */
const AHEAD = 1.25;
/** Without a live worker a few wait, so that whoever scales the pool sees them. */
const LEAST_CAPACITY = 4;
/** Attempts at a slice after the first: the queue waits a minute at most between two, so an outage of hours is outlived. */
const SLICE_RETRIES = 500;

export const batchTaskId = (job: string, slice: number): string => `${job}-${slice}`;

/** Keeps a bounded window of slices in the queue, whatever the number of rows that wait in the blob store. */
export class BatchDispatcher {
  readonly #parts: BatchDispatcherParts;
  readonly #filling = new Map<string, { again: boolean; readonly done: Promise<void> }>();

  constructor(parts: BatchDispatcherParts) {
    this.#parts = parts;
  }

  /**
   * Fills the window of a pool. Calls at the same time become one, and one more after it, as there may be new room.
   *
   * @throws RerankError `queue_unavailable`; what was chosen and not queued, the keeper queues
   */
  async fill(pool: string): Promise<void> {
    const running = this.#filling.get(pool);
    if (running !== undefined) {
      running.again = true;
      await running.done;
      return;
    }
    const entry = { again: false, done: Promise.resolve() };
    entry.done = this.#fillWhileAsked(pool, entry).finally(() => this.#filling.delete(pool));
    this.#filling.set(pool, entry);
    await entry.done;
  }

  /** Queues slices that count as in flight. A slice that is queued already is left as it is. */
  async enqueue(pool: string, slices: readonly SliceRef[]): Promise<void> {
    await Promise.all(slices.map((slice) => this.#enqueue(pool, slice)));
  }

  /** Takes a slice out of the queue again that nobody has taken; resolves to whether it did. */
  async discard(pool: string, { job, slice, express }: Pick<SliceRef, 'job' | 'slice' | 'express'>): Promise<boolean> {
    return await this.#parts.queue.discard(queueOf(pool, express), batchTaskId(job, slice));
  }

  async #fillWhileAsked(pool: string, entry: { again: boolean }): Promise<void> {
    const { ledger, slotsOf, weights } = this.#parts;
    do {
      entry.again = false;
      const capacity = Math.max(LEAST_CAPACITY, Math.ceil((await slotsOf(pool)) * AHEAD));
      await this.enqueue(pool, await ledger.pick(pool, { capacity, weights }));
    } while (entry.again);
  }

  async #enqueue(pool: string, { tenant, job, slice, express }: SliceRef): Promise<void> {
    const id = batchTaskId(job, slice);
    const payload: TaskPayload = {
      v: TASK_VERSION,
      id,
      tenant,
      request_id: job,
      pool,
      enqueued_ms: this.#parts.now(),
      body: { kind: 'batch', job_id: job, slice },
    };
    await this.#parts.queue.enqueue(queueOf(pool, express), { id, payload, retries: SLICE_RETRIES });
  }
}

function queueOf(pool: string, express: boolean): string {
  return express ? expressQueue(pool) : batchQueue(pool);
}
