import { invariant } from '@rerank-fleet/core/errors';
import type { Priority } from './batch-planner.js';

/** Tokens of a page. Small, so that little of a pair's last page is wasted; large enough that copying one is worth the call. */
export const PAGE_TOKENS = 16;

export const pagesFor = (tokens: number): number => Math.ceil(tokens / PAGE_TOKENS);

interface Waiter {
  readonly count: number;
  readonly resolve: (pages: Int32Array) => void;
}

/**
 * Hands out the pages of the memory that inference threads share, in which pairs keep their hidden states between two segments of a model. A request takes all
 * that it may need at once or waits for them, so that none holds some while it waits for others. Sync requests wait before batch requests, each class in its order.
 */
export class StatePages {
  readonly capacity: number;
  /** The one that was freed last is on top: memory that was never used is not touched before it must be. */
  readonly #free: number[];
  readonly #waiting: Readonly<Record<Priority, Waiter[]>> = { sync: [], batch: [] };

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#free = Array.from({ length: capacity }, (_, page) => capacity - 1 - page);
  }

  get used(): number {
    return this.capacity - this.#free.length;
  }

  /** Resolves to page numbers; rejects with the signal's reason when it aborts before there is room. */
  async take(count: number, { priority, signal }: { readonly priority: Priority; readonly signal?: AbortSignal }): Promise<Int32Array> {
    invariant(count <= this.capacity, 'A request for more pages than there are.');
    signal?.throwIfAborted();
    const queue = this.#waiting[priority];
    const mayGoAhead = queue.length === 0 && (priority === 'sync' || this.#waiting.sync.length === 0);
    if (mayGoAhead && count <= this.#free.length) return this.#pop(count);
    const taken = Promise.withResolvers<Int32Array>();
    const waiter: Waiter = { count, resolve: taken.resolve };
    queue.push(waiter);
    const leave = (): void => {
      const at = queue.indexOf(waiter);
      if (at < 0) return;
      queue.splice(at, 1);
      taken.reject(signal?.reason);
      this.#serve();
    };
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await taken.promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  /** No thread may still read or write them. */
  give(pages: Iterable<number>): void {
    for (const page of pages) this.#free.push(page);
    this.#serve();
  }

  #serve(): void {
    for (const queue of [this.#waiting.sync, this.#waiting.batch]) {
      for (let first = queue[0]; first !== undefined; first = queue[0]) {
        // The next in line is not overtaken by a smaller one, or it might wait for ever.
        if (first.count > this.#free.length) return;
        queue.shift();
        first.resolve(this.#pop(first.count));
      }
    }
  }

  #pop(count: number): Int32Array {
    return Int32Array.from({ length: count }, () => this.#free.pop()!);
  }
}
