import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { RedisClock } from '@rerank-fleet/core/adapters/redis/redis-clock';
import { assertRedisFit, connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { Sequence } from '@rerank-fleet/core/adapters/redis/sequence';
import { TaskBodies } from '@rerank-fleet/core/adapters/redis/task-bodies';
import type { TaskBody } from '@rerank-fleet/core/contracts';
import { describe, expect, it, vi } from 'vitest';
import { announcement } from '../support/fleet-fixtures.js';
import { RedisServer } from '../support/redis-server.js';
import { RedisRig, type Connection } from './redis-support.js';

const HOUR_MS = 3_600_000;
const rig = new RedisRig();

describe('RedisClock', () => {
  it('tells the time of Redis, and goes on without it', async () => {
    const clock = await RedisClock.start(rig.redis);
    rig.closers.push(() => clock.stop());
    const [seconds, micros] = (await rig.redis.time()).map(Number) as [number, number];
    expect(Math.abs(clock.now() - (seconds * 1_000 + micros / 1_000))).toBeLessThan(50);
    const before = clock.now();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(clock.now() - before).toBeGreaterThanOrEqual(19);
  });

  it('takes no time that waited for Redis to come back for the time of now', async () => {
    const slow = { eval: vi.fn((...call: Parameters<typeof rig.redis.eval>) => rig.redis.eval(...call)) };
    const late = async (...call: Parameters<typeof rig.redis.eval>): Promise<unknown> => {
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      return await rig.redis.eval(...call);
    };
    slow.eval.mockImplementationOnce(late);
    const clock = await RedisClock.start(slow as unknown as Connection);
    rig.closers.push(() => clock.stop());
    const [seconds, micros] = (await rig.redis.time()).map(Number) as [number, number];
    expect(Math.abs(clock.now() - (seconds * 1_000 + micros / 1_000))).toBeLessThan(200);
  });
});

describe('Sequence', () => {
  it('gives rising whole numbers to many at once, blocks without overlap', async () => {
    const [one, other] = [new Sequence(rig.redis), new Sequence(await rig.connect('producer'))];
    const blocks = await Promise.all(
      Array.from({ length: 40 }, async (_, turn) => ({ first: await (turn % 2 === 0 ? one : other).next(5), count: 5 })),
    );
    const numbers = blocks.flatMap(({ first, count }) => Array.from({ length: count }, (_, index) => first + index));
    expect(new Set(numbers).size).toBe(200);
    expect(numbers.every(Number.isSafeInteger)).toBe(true);
  });

  it('goes on rising when Redis lost its data', async () => {
    const sequence = new Sequence(rig.redis);
    const before = await sequence.next(10);
    await rig.redis.flushall();
    expect(await sequence.next()).toBeGreaterThanOrEqual(before + 10);
  });
});

describe('TaskBodies', () => {
  const bodyOf = (length: number): TaskBody => ({
    kind: 'rerank',
    stages: [{ model: { name: 'm', sha256: 's' } }],
    query: 'q',
    documents: ['x'.repeat(length)],
    top_n: 1,
    long_document: 'truncate',
    deterministic: false,
  });

  it('sends a small body with the task', async () => {
    const body = bodyOf(10);
    expect(await new TaskBodies(rig.redis).pack('a', body, HOUR_MS)).toEqual({ body });
  });

  it('keeps a large body beside the task until it is dropped, or its time is over', async () => {
    const [bodies, body] = [new TaskBodies(rig.redis), bodyOf(100_000)];
    const packed = await bodies.pack('a', body, HOUR_MS);
    const reference = packed.body_ref ?? '';
    expect(packed.body).toBeUndefined();
    expect(await bodies.fetch(reference)).toEqual(body);
    expect(await rig.redis.pttl(reference)).toBeGreaterThan(HOUR_MS - 60_000);
    await bodies.drop(reference);
    expect(await bodies.fetch(reference)).toBeUndefined();
  });
});

describe('FleetRegistry', () => {
  it('shows live workers, newest first, and remembers their pools when they are gone', async () => {
    const registry = new FleetRegistry(rig.redis);
    const [older, newer] = [
      announcement({ worker_id: 'older', started_at: 1 }),
      announcement({ worker_id: 'newer', started_at: 2, pool: 'gpu' }),
    ];
    await registry.announce(older);
    await registry.announce(newer);
    expect(await registry.live()).toEqual([newer, older]);
    await registry.withdraw('older');
    expect(await registry.live()).toEqual([newer]);
    expect((await registry.remembered()).map(({ pool }) => pool).sort()).toEqual(['default', 'gpu']);
  });

  it('passes over what a worker of another release left', async () => {
    const registry = new FleetRegistry(rig.redis);
    await registry.announce(announcement({ worker_id: 'ours' }));
    await rig.redis.hset('{rf}:pools', 'theirs', JSON.stringify([{ name: 'a', unit: 'unknown' }]));
    expect((await registry.remembered()).map(({ pool }) => pool)).toEqual(['default']);
  });

  it('forgets a worker whose heartbeat has expired', async () => {
    const registry = new FleetRegistry(rig.redis);
    await registry.announce(announcement({ worker_id: 'silent' }));
    const key = '{rf}:worker:silent';
    const ttl = await rig.redis.pttl(key);
    expect(ttl).toBeGreaterThan(10_000);
    expect(ttl).toBeLessThanOrEqual(15_000);
    await rig.redis.pexpire(key, 1);
    await expect.poll(() => registry.live()).toEqual([]);
    expect(await rig.redis.smembers('{rf}:workers')).toEqual([]);
  });
});

describe('assertRedisFit', () => {
  const refusal = async (settings: readonly string[]): Promise<unknown> => {
    const unfit = await RedisServer.start({ settings });
    const connection = await connectRedis(unfit.url, { role: 'consumer', name: 'fit' });
    try {
      return await assertRedisFit(connection).catch((error: unknown) => error);
    } finally {
      connection.disconnect();
      await unfit.stop();
    }
  };

  it('takes a Redis with noeviction that is append-only, or that saves snapshots', async () => {
    await expect(assertRedisFit(rig.redis)).resolves.toBeUndefined();
    expect(await refusal(['--appendonly', 'no', '--save', '60', '1000'])).toBeUndefined();
  });

  it('refuses one that evicts keys', async () => {
    expect(await refusal(['--maxmemory-policy', 'allkeys-lru'])).toMatchObject({
      name: 'UnfitRedisError',
      message: expect.stringContaining('maxmemory-policy to noeviction') as string,
    });
  });

  it('refuses one that keeps nothing on disk', async () => {
    expect(await refusal(['--appendonly', 'no'])).toMatchObject({
      name: 'UnfitRedisError',
      message: expect.stringContaining('appendonly to yes') as string,
    });
  });
});

describe('connectRedis', () => {
  it('lets a producer fail at once while Redis is away, and a consumer wait for it', async () => {
    const shaky = await RedisServer.start({ settings: ['--appendfsync', 'always'] });
    const producer = await connectRedis(shaky.url, { role: 'producer', name: 'shaky' });
    const consumer = await connectRedis(shaky.url, { role: 'consumer', name: 'shaky' });
    try {
      await consumer.set('key', 'kept');
      const ended = new Promise((resolve) => producer.once('close', resolve));
      await shaky.kill();
      await ended;
      await expect(new Sequence(producer).next()).rejects.toMatchObject({ code: 'queue_unavailable', retryAfterS: 2 });
      const waiting = consumer.get('key');
      await shaky.resume();
      expect(await waiting).toBe('kept');
    } finally {
      producer.disconnect();
      consumer.disconnect();
      await shaky.stop();
    }
  });
});
