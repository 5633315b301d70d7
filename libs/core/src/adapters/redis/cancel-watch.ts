import type { Redis } from 'ioredis';
import { CANCEL_CHANNEL, cancelKey } from './result-board.js';
import { Subscription } from './subscription.js';

/** Why a task's signal aborts when nobody waits for it any more. */
export class TaskCancelledError extends Error {
  override readonly name = 'TaskCancelledError';
}

/** The worker's side of cancelling: aborts the signals of what is in hand. */
export class CancelWatch {
  readonly #redis: Redis;
  readonly #inHand = new Map<string, Set<AbortController>>();
  #subscription: Subscription | undefined;

  private constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** `subscriber` becomes the watch's own. */
  static async start(redis: Redis, subscriber: Redis): Promise<CancelWatch> {
    const watch = new CancelWatch(redis);
    watch.#subscription = await Subscription.open(subscriber, CANCEL_CHANNEL, (id) => {
      for (const controller of watch.#inHand.get(id) ?? []) controller.abort(new TaskCancelledError('Nobody waits for the task.'));
    });
    return watch;
  }

  /** Aborts at once if the task, or job, was cancelled before. A job is followed by each of its slices. */
  async follow(id: string, controller: AbortController): Promise<void> {
    const followers = this.#inHand.get(id) ?? new Set();
    this.#inHand.set(id, followers.add(controller));
    if ((await this.#redis.exists(cancelKey(id))) === 1) controller.abort(new TaskCancelledError('Nobody waits for the task.'));
  }

  release(id: string, controller: AbortController): void {
    const followers = this.#inHand.get(id);
    followers?.delete(controller);
    if (followers?.size === 0) this.#inHand.delete(id);
  }

  stop(): void {
    this.#subscription?.close();
  }
}
