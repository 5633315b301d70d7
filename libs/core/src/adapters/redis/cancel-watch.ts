import type { Redis } from 'ioredis';
import { CANCEL_CHANNEL, cancelKey } from './result-board.js';

/** Why a task's signal aborts when nobody waits for it any more. */
export class TaskCancelledError extends Error {
  override readonly name = 'TaskCancelledError';
}

/** The worker's side of cancelling: aborts the signal of a task in hand. */
export class CancelWatch {
  readonly #redis: Redis;
  readonly #subscriber: Redis;
  readonly #inHand = new Map<string, AbortController>();

  private constructor(redis: Redis, subscriber: Redis) {
    this.#redis = redis;
    this.#subscriber = subscriber;
    subscriber.on('message', (_channel: string, taskId: string) =>
      this.#inHand.get(taskId)?.abort(new TaskCancelledError('Nobody waits for the task.')),
    );
  }

  /** `subscriber` becomes the watch's own. */
  static async start(redis: Redis, subscriber: Redis): Promise<CancelWatch> {
    const watch = new CancelWatch(redis, subscriber);
    await subscriber.subscribe(CANCEL_CHANNEL);
    return watch;
  }

  /** Aborts at once if the task was cancelled before it was taken. */
  async follow(taskId: string, controller: AbortController): Promise<void> {
    this.#inHand.set(taskId, controller);
    if ((await this.#redis.exists(cancelKey(taskId))) === 1) controller.abort(new TaskCancelledError('Nobody waits for the task.'));
  }

  /** A task that was handed out anew to the same worker is followed on. */
  release(taskId: string, controller: AbortController): void {
    if (this.#inHand.get(taskId) === controller) this.#inHand.delete(taskId);
  }

  stop(): void {
    this.#subscriber.disconnect();
  }
}
