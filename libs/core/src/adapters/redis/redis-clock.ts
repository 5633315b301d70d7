import type { Redis } from 'ioredis';

const REFRESH_MS = 30_000;

/**
 * The time of Redis, which all processes share. Between samples it advances with this process' monotonic clock, so that a jump of
 * the machine's clock moves no deadline.
 */
export class RedisClock {
  readonly #redis: Redis;
  readonly #timer: NodeJS.Timeout;
  #redisMs = 0;
  #sampledAt = 0;

  private constructor(redis: Redis) {
    this.#redis = redis;
    this.#timer = setInterval(() => void this.#sample().catch(() => undefined), REFRESH_MS);
    this.#timer.unref();
  }

  static async start(redis: Redis): Promise<RedisClock> {
    const clock = new RedisClock(redis);
    await clock.#sample();
    return clock;
  }

  /** Epoch milliseconds of Redis TIME. */
  now(): number {
    return this.#redisMs + (performance.now() - this.#sampledAt);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Half of the round trip is taken as the way back. */
  async #sample(): Promise<void> {
    const before = performance.now();
    const [seconds, micros] = await this.#redis.time();
    const after = performance.now();
    this.#redisMs = Number(seconds) * 1_000 + Number(micros) / 1_000 + (after - before) / 2;
    this.#sampledAt = after;
  }
}
