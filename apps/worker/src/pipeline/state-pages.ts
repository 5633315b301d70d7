import { invariant } from '@rerank-fleet/core/errors';
import { SYNC_TURNS, type Priority } from './batch-planner.js';

/** Tokens of a page. Small, so that little of a pair's last page is wasted; large enough that copying one is worth the call. */
export const PAGE_TOKENS = 16;

/** Milliseconds after which a call looks whether batch work holds what it waits for, and again. */
const PATIENCE_MS = 100;

export const pagesFor = (tokens: number): number => Math.ceil(tokens / PAGE_TOKENS);

interface Waiter {
  readonly count: number;
  readonly priority: Priority;
  readonly resolve: (pages: Int32Array | undefined) => void;
}

/**
 * Hands out the pages of the memory that inference threads share, in which pairs keep their hidden states between two segments of a model. A request takes all
 * that it may need at once or waits for them, so that none holds some while it waits for others. Sync requests wait before batch requests, each class in its order;
 * a batch request that waits has its turn after `SYNC_TURNS` of them.
 */
export class StatePages {
  readonly capacity: number;
  /** The one that was freed last is on top: memory that was never used is not touched before it must be. */
  readonly #free: number[];
  /** By page: 1 where batch work holds it. */
  readonly #isOfBatch: Uint8Array;
  #heldByBatch = 0;
  readonly #waiting: Readonly<Record<Priority, Waiter[]>> = { sync: [], batch: [] };
  /** Sync requests served while a batch request waited. */
  #syncStreak = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#free = Array.from({ length: capacity }, (_, page) => capacity - 1 - page);
    this.#isOfBatch = new Uint8Array(capacity);
  }

  get used(): number {
    return this.capacity - this.#free.length;
  }

  /**
   * Resolves to page numbers; rejects with the signal's reason when it aborts before there is room. A sync request waits for other ones as it would in the planner,
   * but not for batch work, which is slow while calls go before it: where batch work holds what it would need, it gets nothing (undefined) within
   * `PATIENCE_MS` of that.
   */
  async take(
    count: number,
    { priority, signal }: { readonly priority: Priority; readonly signal?: AbortSignal },
  ): Promise<Int32Array | undefined> {
    invariant(count <= this.capacity, 'A request for more pages than there are.');
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Int32Array | undefined>();
    const queue = this.#waiting[priority];
    const waiter: Waiter = { count, priority, resolve };
    queue.push(waiter);
    this.#serve();
    if (!queue.includes(waiter)) return await promise;
    const leave = (settle: () => void): void => {
      const at = queue.indexOf(waiter);
      if (at < 0) return;
      queue.splice(at, 1);
      settle();
      this.#serve();
    };
    const abort = (): void => leave(() => reject(signal?.reason));
    const lookAround = (): void => (this.#isKeptByBatch(waiter) ? leave(() => resolve(undefined)) : undefined);
    signal?.addEventListener('abort', abort, { once: true });
    const patience = priority === 'sync' ? setInterval(lookAround, PATIENCE_MS) : undefined;
    try {
      return await promise;
    } finally {
      clearInterval(patience);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** No thread may still read or write them. */
  give(pages: Iterable<number>): void {
    for (const page of pages) {
      this.#free.push(page);
      this.#heldByBatch -= this.#isOfBatch[page]!;
      this.#isOfBatch[page] = 0;
    }
    this.#serve();
  }

  #serve(): void {
    // The next in line is not overtaken by a smaller one, or it might wait for ever.
    for (let next = this.#next(); next !== undefined && next.count <= this.#free.length; next = this.#next()) {
      this.#waiting[next.priority].shift();
      this.#syncStreak = next.priority === 'sync' && this.#waiting.batch.length > 0 ? this.#syncStreak + 1 : 0;
      next.resolve(this.#pop(next));
    }
  }

  /** A batch request whose turn it is holds up calls only while they hold what it needs: they end soon. */
  #next(): Waiter | undefined {
    const { sync, batch } = this.#waiting;
    const [call, row] = [sync[0], batch[0]];
    const isTurnOfBatch = row !== undefined && this.#syncStreak >= SYNC_TURNS && !this.#isKeptByBatch(row);
    return isTurnOfBatch ? row : (call ?? row);
  }

  /** Whether there would not be room if all sync requests gave back what they hold. */
  #isKeptByBatch({ count }: Waiter): boolean {
    return count > this.capacity - this.#heldByBatch;
  }

  #pop({ count, priority }: Waiter): Int32Array {
    const pages = Int32Array.from({ length: count }, () => this.#free.pop()!);
    if (priority === 'batch') {
      for (const page of pages) this.#isOfBatch[page] = 1;
      this.#heldByBatch += count;
    }
    return pages;
  }
}
