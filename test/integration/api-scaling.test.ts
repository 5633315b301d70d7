import { randomUUID } from 'node:crypto';
import { AdmissionSyncTokens } from '@rerank-fleet/core/adapters/redis/admission-sync-tokens';
import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { RedisBatchLedger } from '@rerank-fleet/core/adapters/redis/redis-batch-ledger';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import type { LedgerJob } from '@rerank-fleet/core/jobs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { announcement } from '../support/fleet-fixtures.js';
import { RedisServer } from '../support/redis-server.js';
import { startTestApi } from './api-support.js';

let server: RedisServer;
let redis: Awaited<ReturnType<typeof connectRedis>>;

beforeAll(async () => {
  server = await RedisServer.start();
});
beforeEach(async () => {
  redis = await connectRedis(server.url, { role: 'producer', name: 'scaling' });
  await redis.flushall();
});
afterEach(() => redis.disconnect());
afterAll(() => server.stop());

const call = (tokens: number, pool = 'default') => ({ id: randomUUID(), tenant: 'acme', pool, tokens });

describe('the load of calls', () => {
  const budget = () => new AdmissionSyncTokens(redis);

  it('is nothing of a pool that nobody calls', async () => {
    expect(await budget().load('default')).toEqual({ tokens: 0, tokensPerS: 0, idleMs: Infinity });
    expect(await redis.dbsize()).toBe(0);
  });

  it('is what waits now, and what comes, which outlasts the answers', async () => {
    const [one, other] = [call(3_000), call(6_000)];
    await budget().reserve(one, { timeoutMs: 60_000, limit: 10_000 });
    await budget().reserve(other, { timeoutMs: 60_000, limit: 10_000 });
    await budget().reserve(call(500, 'gpu'), { timeoutMs: 60_000, limit: 10_000 });
    const busy = await budget().load('default');
    expect(busy.tokens).toBe(9_000);
    expect(busy.tokensPerS).toBeGreaterThan(200);
    expect(busy.tokensPerS).toBeLessThanOrEqual(300);
    await budget().release(one);
    await budget().release(other);
    const idle = await budget().load('default');
    expect(idle.tokens).toBe(0);
    expect(idle.tokensPerS).toBeGreaterThan(0);
    expect(idle.idleMs).toBeGreaterThanOrEqual(0);
    expect((await budget().load('gpu')).tokens).toBe(500);
  });

  it('counts calls that are refused for want of workers, and none that its tenant may not have', async () => {
    await budget().reserve(call(60_000), { timeoutMs: 1_000, limit: 100_000 });
    const before = await budget().load('default');
    const late = await budget().reserve(call(30_000), { timeoutMs: 1_000, limit: 100_000, tokensPerS: 1 });
    expect(late.outcome).toBe('deadline');
    const after = await budget().load('default');
    expect(after.tokens).toBe(60_000);
    expect(after.tokensPerS).toBeGreaterThan(before.tokensPerS + 500);
    const refused = await budget().reserve(call(90_000), { timeoutMs: 1_000, limit: 100_000 });
    expect(refused.outcome).toBe('tenant');
    expect((await budget().load('default')).tokensPerS).toBeLessThanOrEqual(after.tokensPerS);
  });

  it('forgets calls whose process has died', async () => {
    await budget().reserve(call(1_000), { timeoutMs: 60_000, limit: 10_000 });
    const entry = (await redis.zrange('{rf}:admission:pool:default', '0', '-1'))[0]!;
    await redis.zadd('{rf}:admission:pool:default', 1, entry);
    expect((await budget().load('default')).tokens).toBe(0);
  });
});

describe('the backlog of batch jobs', () => {
  let now = 0;
  const ledger = () => new RedisBatchLedger(redis, () => now);
  const job = (id: string, fields: Partial<LedgerJob> = {}): LedgerJob => ({
    id,
    tenant: 'acme',
    pool: 'default',
    priority: 50,
    createdMs: 0,
    expiresMs: 86_400_000,
    slices: 4,
    total: 40,
    rejected: 0,
    pairs: 4_000,
    tokens: 400_000,
    ...fields,
  });
  const done = { succeeded: 10, errored: 0, cancelled: 0, expired: 0, pairs: 1_000 };

  beforeEach(() => {
    now = 0;
  });

  it('is what is left of the open jobs of a pool, by the speed that ends them in time', async () => {
    await ledger().open(job('a'));
    await ledger().open(job('b', { pool: 'gpu', tokens: 7 }));
    expect(await ledger().backlog('default', 100_000)).toEqual({ tokens: 400_000, slices: 4, tokensPerS: 4_000 });
    await ledger().pick('default', { capacity: 10 });
    await ledger().commit('a', 1, done);
    now = 25_000;
    expect(await ledger().backlog('default', 100_000)).toEqual({ tokens: 300_000, slices: 3, tokensPerS: 4_000 });
  });

  it('rises for a job that is behind, up to a bound', async () => {
    await ledger().open(job('a'));
    now = 50_000;
    expect((await ledger().backlog('default', 100_000)).tokensPerS).toBe(8_000);
    now = 500_000;
    expect((await ledger().backlog('default', 100_000)).tokensPerS).toBe(16_000);
  });

  it('hurries for a job that expires sooner', async () => {
    await ledger().open(job('a', { expiresMs: 50_000 }));
    expect((await ledger().backlog('default', 100_000)).tokensPerS).toBe(8_000);
  });

  it('is nothing after the last slice, and of a job that was cancelled', async () => {
    await ledger().open(job('a', { slices: 1 }));
    await ledger().open(job('b'));
    await ledger().pick('default', { capacity: 10 });
    await ledger().commit('a', 0, done);
    await ledger().close('b', 'cancelled');
    expect(await ledger().backlog('default', 100_000)).toEqual({ tokens: 0, slices: 0, tokensPerS: 0 });
  });

  it('guesses the tokens of a job that an older release took in', async () => {
    await ledger().open(job('a'));
    await redis.hdel('{rf}:batch:job:a', 'tokens');
    expect((await ledger().backlog('default', 100_000)).tokens).toBe(4_000 * 128);
  });
});

describe('the registry of the fleet', () => {
  it('tells demand for as long as its mark stands', async () => {
    const fleet = new FleetRegistry(redis);
    expect(await fleet.isDemanded('gpu')).toBe(false);
    await fleet.markDemand('gpu');
    expect([await fleet.isDemanded('gpu'), await fleet.isDemanded('default')]).toEqual([true, false]);
    expect(await redis.pttl('{rf}:demand:gpu')).toBeGreaterThan(100_000);
  });

  it('keeps the speed that a worker measured when it is gone', async () => {
    const fleet = new FleetRegistry(redis);
    const stats = { pairs_scored: 1, batches: 1, padding_waste: 0 };
    await fleet.announce(announcement({ pool: 'gpu', stats }));
    expect(await fleet.lastSpeed('gpu')).toBeUndefined();
    await fleet.announce(announcement({ pool: 'gpu', stats: { ...stats, tokens_per_s: 812_345.5 } }));
    await fleet.withdraw(announcement().worker_id);
    expect(await fleet.lastSpeed('gpu')).toBe(812_345.5);
    expect(await fleet.lastSpeed('default')).toBeUndefined();
  });
});

describe('GET /v1/scaling with a key', () => {
  it('is for operators, of a pool that can be', async () => {
    const key = (scope: string) => `a-key-for-${scope}-of-length`;
    const keys = ['operator', 'admin'].map((scope) => ({ key: key(scope), tenant: 'acme', scopes: [scope] }));
    const api = await startTestApi({ API_KEYS: JSON.stringify(keys) });
    const read = (scope: string, query = '') =>
      api.inject({ url: `/v1/scaling${query}`, headers: { authorization: `Bearer ${key(scope)}` } });
    expect((await read('admin')).statusCode).toBe(403);
    expect((await read('operator', '?pool=A:b')).statusCode).toBe(400);
    // Nothing stands behind this API's queue.
    expect((await read('operator')).statusCode).toBe(503);
    await api.close();
  });
});
