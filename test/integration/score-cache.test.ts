import { RedisScoreCache, type RedisScoreCacheOptions } from '@rerank-fleet/core/adapters/redis/score-cache';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import type { PairScore } from '@rerank-fleet/core/ports';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { startRedisCluster, startRedisSentinels } from '../support/redis-topologies.js';

type Connection = Awaited<ReturnType<typeof connectRedis>>;

const SCORE: PairScore = { logit: -3.25, tokens: 41, truncated: true, span: { start: 3, end: 99 } };
const UNKNOWN = undefined;
/** Longer than any pause of a busy machine, for tests in which Redis answers. */
const PATIENT_MS = 10_000;

let server: RedisServer;
let redis: Connection;
const caches: RedisScoreCache[] = [];
const failures: Error[] = [];

async function open(options: Partial<RedisScoreCacheOptions> = {}): Promise<RedisScoreCache> {
  const onFailure = (error: Error): void => void failures.push(error);
  const cache = new RedisScoreCache({ url: server.url, ttlS: 60, lookUpMs: PATIENT_MS, onFailure, ...options });
  caches.push(cache);
  await cache.ready();
  return cache;
}

async function kept(count: number): Promise<void> {
  await vi.waitFor(async () => expect(await redis.dbsize()).toBe(count), { timeout: 10_000, interval: 10 });
}

beforeAll(async () => {
  server = await RedisServer.start();
});
beforeEach(async () => {
  redis = await connectRedis(server.url, { role: 'consumer', name: 'test' });
  await redis.flushall();
});
afterEach(() => {
  for (const cache of caches.splice(0)) cache.close();
  redis.disconnect();
  failures.length = 0;
});
afterAll(() => server.stop());

describe(RedisScoreCache, () => {
  it('gives another worker what one has kept, in the order of the question', async () => {
    const [one, other] = [await open(), await open()];
    one.setMany([
      ['a', SCORE],
      ['b', { logit: 1.5, tokens: 2, truncated: false }],
    ]);
    await kept(2);
    expect(await other.getMany(['b', 'nobody', 'a'])).toEqual([{ logit: 1.5, tokens: 2, truncated: false }, UNKNOWN, SCORE]);
  });

  it('keeps scores no longer than it was told, in a few bytes each', async () => {
    const cache = await open({ ttlS: 60 });
    cache.setMany([['a', SCORE]]);
    await kept(1);
    expect(await redis.pttl('{rf}:score:a')).toBeGreaterThan(0);
    expect(await redis.pttl('{rf}:score:a')).toBeLessThanOrEqual(60_000);
    expect(await redis.strlen('{rf}:score:a')).toBe(22);
  });

  it('writes and reads thousands at once', async () => {
    const cache = await open();
    const digests = Array.from({ length: 2_345 }, (_, index) => `digest-${index}`);
    cache.setMany(digests.map((digest, tokens) => [digest, { logit: 0, tokens, truncated: false }]));
    await kept(digests.length);
    expect((await cache.getMany(digests)).map((score) => score?.tokens)).toEqual([...digests.keys()]);
  });

  it('takes a value that it did not write for unknown', async () => {
    const cache = await open();
    await redis.set('{rf}:score:a', 'somebody else');
    expect(await cache.getMany(['a'])).toEqual([UNKNOWN]);
  });

  it('waits no longer for a slow Redis than it was told, then leaves it alone for a while', async () => {
    const cache = await open({ lookUpMs: 20 });
    await redis.client('PAUSE', 60_000, 'ALL');
    expect(await cache.getMany(['a'])).toEqual([UNKNOWN]);
    expect(failures.map(({ message }) => message)).toEqual(['no answer within 20 ms']);
    expect(await cache.getMany(['a'])).toEqual([UNKNOWN]);
    cache.setMany([['a', SCORE]]);
    expect(failures).toHaveLength(1);
    await server.kill();
    await server.resume();
  });

  it('knows nothing while Redis is away, and knows again when it is back', async () => {
    const cache = await open();
    cache.setMany([['a', SCORE]]);
    await kept(1);
    await server.kill();
    expect(await cache.getMany(['a'])).toEqual([UNKNOWN]);
    await server.resume();
    await vi.waitFor(async () => expect(await cache.getMany(['a'])).toEqual([SCORE]), { timeout: 20_000, interval: 50 });
  });

  it('never rejects where a write is refused, as by a Redis that is full, and tells what it has', async () => {
    const cache = await open();
    cache.setMany([['a', SCORE]]);
    await kept(1);
    await redis.config('SET', 'maxmemory', '1');
    cache.setMany([['b', SCORE]]);
    await vi.waitFor(() => expect(failures[0]?.message).toMatch(/OOM/), { timeout: 10_000, interval: 10 });
    expect(await cache.getMany(['a', 'b'])).toEqual([SCORE, UNKNOWN]);
    await redis.config('SET', 'maxmemory', '0');
  });
});

describe('scores in a Redis of several servers', () => {
  it.each([
    ['Sentinel', startRedisSentinels],
    ['Cluster', startRedisCluster],
  ])('are kept and found through %s', async (_, start) => {
    const topology = await start();
    try {
      const cache = new RedisScoreCache({ url: topology.url, ttlS: 60, lookUpMs: PATIENT_MS });
      caches.push(cache);
      await Promise.race([cache.ready(), sleep(PATIENT_MS).then(() => expect.fail('The cache never reached its Redis.'))]);
      cache.setMany([['a', SCORE]]);
      await expect.poll(() => cache.getMany(['a', 'b']), { timeout: PATIENT_MS }).toEqual([SCORE, UNKNOWN]);
      cache.close();
    } finally {
      await topology.stop();
    }
  });
});
