import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdmissionSyncTokens, type SyncBounds, type SyncReservation } from '@rerank-fleet/core/adapters/redis/admission-sync-tokens';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';

let server: RedisServer;
let redis: Awaited<ReturnType<typeof connectRedis>>;
let other: Awaited<ReturnType<typeof connectRedis>>;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = await connectRedis(server.url, { role: 'producer', name: 'one' });
  other = await connectRedis(server.url, { role: 'producer', name: 'other' });
});
beforeEach(() => redis.flushall());
afterAll(async () => {
  redis.disconnect();
  other.disconnect();
  await server.stop();
});

const LIMIT = 1_000;
const call = (tokens: number, more: Partial<SyncReservation> = {}): SyncReservation => ({
  id: randomUUID(),
  tenant: 'acme',
  pool: 'default',
  tokens,
  ...more,
});
const bounds = (more: Partial<SyncBounds> = {}): SyncBounds => ({ timeoutMs: 60_000, limit: LIMIT, ...more });
const budget = (): AdmissionSyncTokens => new AdmissionSyncTokens(redis);

/** What Redis has of a tenant. */
async function kept(tenant = 'acme'): Promise<{ sum: number; calls: number }> {
  const key = `{rf}:admission:tenant:${tenant}`;
  const [sum, calls] = await Promise.all([redis.hget(`${key}:meter`, 'sum'), redis.zcard(key)]);
  return { sum: Number(sum), calls };
}

describe(AdmissionSyncTokens, () => {
  it('never has more reserved than the limit, whatever comes and goes at once, and ends at nothing', async () => {
    const amounts = fc.array(fc.integer({ min: 1, max: LIMIT }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(amounts, async (tokens) => {
        await redis.flushall();
        const processes = [new AdmissionSyncTokens(redis), new AdmissionSyncTokens(other)] as const;
        let inHand = 0;
        let most = 0;
        await Promise.all(
          tokens.map(async (amount, at) => {
            const one = call(amount);
            const { outcome, outstanding } = await processes[at % 2]!.reserve(one, bounds());
            expect(outstanding).toBeLessThanOrEqual(LIMIT);
            if (outcome !== 'admitted') return;
            most = Math.max(most, (inHand += amount));
            await Promise.resolve();
            inHand -= amount;
            await processes[(at + 1) % 2]!.release(one);
          }),
        );
        expect(most).toBeLessThanOrEqual(LIMIT);
        expect(await kept()).toEqual({ sum: 0, calls: 0 });
      }),
      { numRuns: 60 },
    );
  });

  it('takes a call whole or not at all, up to the last token', async () => {
    const tokens = budget();
    expect(await tokens.reserve(call(600), bounds())).toMatchObject({ outcome: 'admitted', outstanding: 600, retryMs: 0 });
    expect(await tokens.reserve(call(401), bounds())).toMatchObject({ outcome: 'tenant', outstanding: 600 });
    expect(await tokens.reserve(call(400), bounds())).toMatchObject({ outcome: 'admitted', outstanding: 1_000 });
    expect(await kept()).toEqual({ sum: 1_000, calls: 2 });
  });

  it('keeps the budgets of tenants apart', async () => {
    const tokens = budget();
    await tokens.reserve(call(1_000), bounds());
    expect(await tokens.reserve(call(1_000, { tenant: 'other' }), bounds())).toMatchObject({ outcome: 'admitted' });
  });

  it('releases a call once, however often it is told to', async () => {
    const tokens = budget();
    const [one, two] = [call(300), call(300)];
    await tokens.reserve(one, bounds());
    await tokens.reserve(two, bounds());
    await Promise.all([tokens.release(one), tokens.release(one), new AdmissionSyncTokens(other).release(one)]);
    expect(await kept()).toEqual({ sum: 300, calls: 1 });
  });

  it('forgets a call of which nothing is heard after its deadline, and says so by Retry-After', async () => {
    const tokens = budget();
    await tokens.reserve(call(700), bounds({ timeoutMs: 100 }));
    await tokens.reserve(call(300), bounds({ timeoutMs: 60_000 }));
    const refused = await tokens.reserve(call(500), bounds());
    expect(refused.outcome).toBe('tenant');
    expect(refused.retryMs).toBeLessThanOrEqual(5_100);
    await sleep(5_200);
    expect(await tokens.reserve(call(500), bounds())).toMatchObject({ outcome: 'admitted', outstanding: 800 });
  });

  it('never tells to wait longer than until enough has expired', async () => {
    const tokens = budget();
    await tokens.reserve(call(200), bounds({ timeoutMs: 1_000 }));
    await tokens.reserve(call(800), bounds({ timeoutMs: 50_000 }));
    const quick = call(1, { tenant: 'acme' });
    // A drain of a token in some milliseconds foretells hours.
    expect(await tokens.reserve(quick, bounds({ limit: 1_001 }))).toMatchObject({ outcome: 'admitted' });
    await sleep(50);
    await tokens.release(quick);
    const [few, many] = await Promise.all([tokens.reserve(call(200), bounds()), tokens.reserve(call(201), bounds())]);
    expect(few?.retryMs).toBeLessThanOrEqual(6_000);
    expect(many?.retryMs).toBeGreaterThan(6_000);
    expect(many?.retryMs).toBeLessThanOrEqual(55_000);
  });

  it('tells when to come back: then there is room, as long as the drain goes on', async () => {
    const tokens = budget();
    const inHand = Array.from({ length: 40 }, () => call(25));
    for (const one of inHand) await tokens.reserve(one, bounds());
    const begun = performance.now();
    let next = 0;
    // 25 tokens in 50 ms: 500 a second, also where timers are late.
    const drain = async (): Promise<void> => {
      const due = inHand.slice(next, Math.floor((performance.now() - begun) / 50));
      next += due.length;
      await Promise.all(due.map((one) => tokens.release(one)));
    };
    const drainUntil = async (end: number): Promise<void> => {
      while (performance.now() < end) {
        await drain();
        await sleep(25);
      }
      await drain();
    };
    await drainUntil(begun + 500);
    const { outcome, retryMs, resetMs } = await tokens.reserve(call(700), bounds());
    expect(outcome).toBe('tenant');
    // 450 tokens are missing: what that takes, with room for a slow machine.
    expect(retryMs).toBeGreaterThan(300);
    expect(retryMs).toBeLessThan(5_000);
    expect(resetMs).toBeGreaterThan(retryMs);
    await drainUntil(performance.now() + Math.max(1, Math.ceil(retryMs / 1_000)) * 1_000);
    expect(await tokens.reserve(call(700), bounds())).toMatchObject({ outcome: 'admitted' });
  });

  describe('where the speed of a pool is known', () => {
    it('refuses a call that cannot be begun by its deadline, and says when it could be', async () => {
      const tokens = budget();
      const known = { limit: 1_000_000, tokensPerS: 1_000 };
      await tokens.reserve(call(10_000), bounds(known));
      expect(await tokens.reserve(call(10), bounds({ ...known, timeoutMs: 9_000 }))).toMatchObject({ outcome: 'deadline', retryMs: 1_000 });
      expect(await tokens.reserve(call(10), bounds({ ...known, timeoutMs: 10_500 }))).toMatchObject({ outcome: 'admitted' });
    });

    it('counts what all tenants have in the pool, and nothing of other pools', async () => {
      const tokens = budget();
      const known = bounds({ limit: 1_000_000, tokensPerS: 1_000, timeoutMs: 5_000 });
      await tokens.reserve(call(10_000, { tenant: 'other' }), known);
      expect(await tokens.reserve(call(10), known)).toMatchObject({ outcome: 'deadline' });
      expect(await tokens.reserve(call(10, { pool: 'gpu' }), known)).toMatchObject({ outcome: 'admitted' });
    });

    it('refuses nobody on an idle pool, however large the call', async () => {
      const known = bounds({ limit: 1_000_000, tokensPerS: 10, timeoutMs: 1_000 });
      expect(await budget().reserve(call(900_000), known)).toMatchObject({ outcome: 'admitted' });
    });

    it('believes what it sees where that is faster', async () => {
      const tokens = budget();
      const known = bounds({ limit: 10_000_000, tokensPerS: 10, timeoutMs: 5_000 });
      const done = call(1_000_000);
      await tokens.reserve(done, known);
      const waiting = call(1_000, { tenant: 'other' });
      await tokens.reserve(waiting, bounds({ ...known, tokensPerS: undefined }));
      expect(await tokens.reserve(call(1), known)).toMatchObject({ outcome: 'deadline' });
      await sleep(20);
      await tokens.release(done);
      expect(await tokens.reserve(call(1), known)).toMatchObject({ outcome: 'admitted' });
    });
  });

  it('goes on when Redis has lost all: a call that is released afterwards frees nothing of others', async () => {
    const tokens = budget();
    const before = call(900);
    await tokens.reserve(before, bounds());
    await redis.flushall();
    await redis.script('FLUSH');
    expect(await tokens.reserve(call(500), bounds())).toMatchObject({ outcome: 'admitted', outstanding: 500 });
    await tokens.release(before);
    expect(await kept()).toEqual({ sum: 500, calls: 1 });
  });
});
