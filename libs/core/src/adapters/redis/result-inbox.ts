import type { Redis } from 'ioredis';
import { CANCEL_CHANNEL, cancelKey, RESULT_CHANNEL, resultKey } from './result-board.js';
import { orQueueUnavailable } from './redis-connection.js';
import { Subscription } from './subscription.js';

/** Published ids may be lost with a connection; this often the inbox looks for itself. */
const POLL_MS = 1_000;
/** A result that was read makes room; results are most of what Redis holds under load. */
const READ_RESULT_TTL_MS = 10_000;

/** The API's side of results: one subscription a process, polling as the net. */
export class ResultInbox {
  readonly #redis: Redis;
  readonly #waiting = new Map<string, (result: string) => void>();
  readonly #timer: NodeJS.Timeout;
  #subscription: Subscription | undefined;

  private constructor(redis: Redis) {
    this.#redis = redis;
    this.#timer = setInterval(() => void this.#collect([...this.#waiting.keys()]), POLL_MS);
    this.#timer.unref();
  }

  /** `subscriber` becomes the inbox's own. */
  static async start(redis: Redis, subscriber: Redis): Promise<ResultInbox> {
    const inbox = new ResultInbox(redis);
    inbox.#subscription = await Subscription.open(subscriber, RESULT_CHANNEL, (taskId) => {
      if (inbox.#waiting.has(taskId)) void inbox.#collect([taskId]);
    });
    return inbox;
  }

  /** Resolves with the task's result, rejects with the signal's reason. Call it before the task is queued. */
  wait(taskId: string, signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(taskId);
        signal.removeEventListener('abort', abort);
      };
      const abort = (): void => {
        leave();
        reject(signal.reason as Error);
      };
      if (signal.aborted) {
        abort();
        return;
      }
      signal.addEventListener('abort', abort);
      this.#waiting.set(taskId, (result) => {
        leave();
        resolve(result);
      });
    });
  }

  /** Tells every worker that nobody waits for the task; one that takes it later sees the mark. */
  async cancel(taskId: string, ttlMs: number): Promise<void> {
    const marked = this.#redis
      .multi()
      .set(cancelKey(taskId), '1', 'PX', Math.max(1, Math.ceil(ttlMs)))
      .publish(CANCEL_CHANNEL, taskId)
      .exec();
    await orQueueUnavailable(marked);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#subscription?.close();
  }

  /** A fault here is mended by the next poll. */
  async #collect(taskIds: readonly string[]): Promise<void> {
    if (taskIds.length === 0) return;
    const results = await this.#redis.mget(...taskIds.map(resultKey)).catch(() => []);
    results.forEach((result, position) => {
      const taskId = taskIds[position] as string;
      const deliver = this.#waiting.get(taskId);
      if (result === null || deliver === undefined) return;
      deliver(result);
      // It stays a little, so that a worker that takes the task again sees that it is answered.
      this.#redis.pexpire(resultKey(taskId), READ_RESULT_TTL_MS).catch(() => undefined);
    });
  }
}
