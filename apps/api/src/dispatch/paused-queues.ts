import { RerankError } from '@rerank-fleet/core/errors';
import type { JobQueue } from '@rerank-fleet/core/ports';

/** A pause is noticed this late by calls that come. */
const REMEMBERED_MS = 500;
/** Operators do not pause for less. */
const RETRY_AFTER_S = 30;

/** Queues that operators have paused, as this process remembers them: it costs a call nothing but once in a while a look. */
export class PausedQueues {
  readonly #queue: Pick<JobQueue, 'isPaused'>;
  readonly #seen = new Map<string, { readonly paused: boolean; readonly at: number }>();

  constructor(queue: Pick<JobQueue, 'isPaused'>) {
    this.#queue = queue;
  }

  /** @throws RerankError `queue_paused`, `queue_unavailable` */
  async assertRunning(queue: string): Promise<void> {
    if (await this.has(queue)) throw queuePaused(queue);
  }

  /** @throws RerankError `queue_unavailable` */
  async has(queue: string): Promise<boolean> {
    const seen = this.#seen.get(queue);
    if (seen !== undefined && performance.now() - seen.at < REMEMBERED_MS) return seen.paused;
    const paused = await this.#queue.isPaused(queue);
    this.#seen.set(queue, { paused, at: performance.now() });
    return paused;
  }
}

export function queuePaused(queue: string): RerankError {
  return new RerankError('queue_paused', `The queue "${queue}" is paused by an operator. Nothing was done; try again later.`, {
    retryAfterS: RETRY_AFTER_S,
  });
}
