import type { Redis } from 'ioredis';
import { KEY_PREFIX, orQueueUnavailable } from './redis-connection.js';

const KEY = `${KEY_PREFIX}:seq`;

/**
 * KEYS[1] last number given. ARGV[1] how many. Returns the first of them.
 * A hybrid clock: never below Redis TIME in microseconds, so that numbers go on rising when Redis lost its data.
 */
const NEXT = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
local first = math.max(last + 1, now)
redis.call('SET', KEYS[1], string.format('%.0f', first + tonumber(ARGV[1]) - 1))
return string.format('%.0f', first)
`;

/** Sequence numbers of document writes: the higher one wins, whatever order writes arrive in. Whole, below 2^53. */
export class Sequence {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** The first of `count` numbers that nobody else gets. */
  async next(count = 1): Promise<number> {
    return Number(await orQueueUnavailable(this.#redis.eval(NEXT, 1, KEY, count)));
  }
}
