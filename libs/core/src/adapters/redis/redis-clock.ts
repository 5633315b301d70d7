import type { Redis } from 'ioredis';
import { KEY_PREFIX } from './redis-connection.js';

/** A key sends it to the node of a Cluster that has ours: TIME alone is asked of any, and each has a clock of its own. */
const CLOCK_KEY = `${KEY_PREFIX}:clock`;
const TIME = "return redis.call('TIME')";

const REFRESH_MS = 30_000;
/** A reply that took longer, as one that waited for Redis to come back, tells the time too vaguely: it is asked again. */
const MAX_ROUND_TRIP_MS = 500;
const ATTEMPTS = 3;

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

  /** Half of the round trip is taken as the way back. On a slow line the quickest of a few replies counts. */
  async #sample(): Promise<void> {
    let best: { readonly redisMs: number; readonly at: number; readonly roundTripMs: number } | undefined;
    for (let attempt = 0; attempt < ATTEMPTS && (best === undefined || best.roundTripMs > MAX_ROUND_TRIP_MS); attempt += 1) {
      const before = performance.now();
      const [seconds, micros] = (await this.#redis.eval(TIME, 1, CLOCK_KEY)) as [string, string];
      const at = performance.now();
      const roundTripMs = at - before;
      if (best !== undefined && best.roundTripMs <= roundTripMs) continue;
      best = { redisMs: Number(seconds) * 1_000 + Number(micros) / 1_000 + roundTripMs / 2, at, roundTripMs };
    }
    if (best === undefined) return;
    this.#redisMs = best.redisMs;
    this.#sampledAt = best.at;
  }
}
