import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { CANCEL_CHANNEL, cancelKey, replyChannel, RESULT_CHANNEL, resultKey } from './result-board.js';
import { orQueueUnavailable } from './redis-connection.js';
import { Subscription } from './subscription.js';

/** Published ids may be lost with a connection; this often the inbox looks for itself. */
const POLL_MS = 1_000;
/** A result that was read makes room; results are most of what Redis holds under load. */
const READ_RESULT_TTL_MS = 10_000;

/** The API's side of results: one subscription a process, polling as the net. */
export class ResultInbox {
  /** What a task carries so that its result comes here, and to no other process. */
  readonly address = randomUUID();
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
    const channels = [replyChannel(inbox.address), RESULT_CHANNEL];
    inbox.#subscription = await Subscription.open(subscriber, channels, (message) => inbox.#hear(message));
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

  /** Of a task's id alone, or of its result as well. */
  #hear(message: string): void {
    const end = message.indexOf('\n');
    if (end >= 0) this.#deliver(message.slice(0, end), message.slice(end + 1));
    else if (this.#waiting.has(message)) void this.#collect([message]);
  }

  /** A fault here is mended by the next poll. */
  async #collect(taskIds: readonly string[]): Promise<void> {
    if (taskIds.length === 0) return;
    const results = await this.#redis.mget(...taskIds.map(resultKey)).catch(() => []);
    results.forEach((result, position) => {
      if (result !== null) this.#deliver(taskIds[position] as string, result);
    });
  }

  #deliver(taskId: string, result: string): void {
    const deliver = this.#waiting.get(taskId);
    if (deliver === undefined) return;
    deliver(result);
    // It stays a little, so that a worker that takes the task again sees that it is answered.
    this.#redis.pexpire(resultKey(taskId), READ_RESULT_TTL_MS).catch(() => undefined);
  }
}
