import { Cluster, type Redis } from 'ioredis';

/** A subscriber sends nothing by itself, so nothing would tell it that its other end has gone: messages would stay away for good. */
const PING_MS = 5_000;

/**
 * The messages of some channels, over a connection of its own: a subscribed one serves nothing else. What is published while the connection is lost is
 * lost too, so listeners look for themselves now and then.
 */
export class Subscription {
  readonly #redis: Redis;
  readonly #timer: NodeJS.Timeout;
  #isAsked = false;

  private constructor(redis: Redis, pingMs: number) {
    this.#redis = redis;
    this.#timer = setInterval(() => this.#ping(), pingMs).unref();
  }

  /**
   * `redis` becomes the subscription's own.
   *
   * @param pingMs a connection that leaves a ping unanswered for so long is made anew
   * @throws when Redis refuses the first SUBSCRIBE
   */
  static async open(
    redis: Redis,
    channels: string | readonly string[],
    listener: (message: string) => void,
    pingMs = PING_MS,
  ): Promise<Subscription> {
    const all = [channels].flat();
    redis.on('message', (_channel: string, message: string) => listener(message));
    await redis.subscribe(...all);
    // ioredis renews subscriptions itself unless told not to, but nobody catches what that rejects with when the connection is lost again or closed
    // (redis/ioredis pull request 2187), and the process dies of it. The next connection is ready again, and renews again.
    redis.on('ready', () => void redis.subscribe(...all).catch(() => undefined));
    return new Subscription(redis, pingMs);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#redis.disconnect();
  }

  #ping(): void {
    // A Cluster sends it by another connection than that which listens, which TCP's own probes must watch.
    const client: unknown = this.#redis;
    if (client instanceof Cluster || this.#redis.status !== 'ready') return;
    if (this.#isAsked) {
      // Where this process was busy all the while, the answer is there and not yet read: it is before this comes.
      setImmediate(() => this.#renewIfAsked());
      return;
    }
    this.#isAsked = true;
    this.#redis
      .ping()
      .catch(() => undefined)
      .finally(() => (this.#isAsked = false));
  }

  #renewIfAsked(): void {
    if (!this.#isAsked || this.#redis.status !== 'ready') return;
    this.#isAsked = false;
    this.#redis.disconnect(true);
  }
}
