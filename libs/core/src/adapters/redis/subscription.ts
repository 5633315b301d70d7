import type { Redis } from 'ioredis';

/**
 * The messages of one channel, over a connection of its own: a subscribed one serves nothing else. What is published while the connection is lost is
 * lost too, so listeners look for themselves now and then.
 */
export class Subscription {
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
  }

  /**
   * `redis` becomes the subscription's own.
   *
   * @throws when Redis refuses the first SUBSCRIBE
   */
  static async open(redis: Redis, channel: string, listener: (message: string) => void): Promise<Subscription> {
    redis.on('message', (_channel: string, message: string) => listener(message));
    await redis.subscribe(channel);
    // ioredis renews subscriptions itself unless told not to, but nobody catches what that rejects with when the connection is lost again or closed
    // (redis/ioredis pull request 2187), and the process dies of it. The next connection is ready again, and renews again.
    redis.on('ready', () => void redis.subscribe(channel).catch(() => undefined));
    return new Subscription(redis);
  }

  close(): void {
    this.#redis.disconnect();
  }
}
