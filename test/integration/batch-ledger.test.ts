import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { RedisBatchLedger } from '@rerank-fleet/core/adapters/redis/redis-batch-ledger';
import type { LedgerJob, SliceCounts, SliceRef } from '@rerank-fleet/core/jobs';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';

type Connection = Awaited<ReturnType<typeof connectRedis>>;

const OK: SliceCounts = { succeeded: 10, errored: 1, cancelled: 0, expired: 0, pairs: 500 };
let server: RedisServer;
let redis: Connection;
let ledger: RedisBatchLedger;
let now = 0;

const job = (id: string, fields: Partial<LedgerJob> = {}): LedgerJob => ({
  id,
  tenant: 'acme',
  pool: 'default',
  priority: 50,
  createdMs: 1_000,
  expiresMs: 1_000_000,
  slices: 3,
  total: 33,
  rejected: 0,
  pairs: 1_500,
  tokens: 192_000,
  ...fields,
});
const pick = (capacity: number, weights?: Record<string, number>): Promise<readonly SliceRef[]> =>
  ledger.pick('default', { capacity, ...(weights === undefined ? {} : { weights }) });
const names = (slices: readonly SliceRef[]): string[] => slices.map((ref) => `${ref.job}-${ref.slice}`);

async function commandsRun(): Promise<number> {
  const counts = [...(await redis.info('commandstats')).matchAll(/calls=(\d+)/g)].map(([, calls]) => Number(calls));
  return counts.reduce((sum, calls) => sum + calls, 0);
}

/** Whose turn it is and whether as a new flow, by looking through all tenants that wait: what an index must not change. */
async function nextBySearch(capacity: number, weights: Readonly<Record<string, number>>): Promise<[string, boolean] | undefined> {
  const key = (name: string): string => `{rf}:batch:${name}:default`;
  const waiting = await redis.zrange(key('tenants'), '0', '-1');
  const [flights, express] = [await redis.hgetall(key('flights')), await redis.hgetall(key('express'))];
  const weight = (tenant: string): number => weights[tenant] ?? 1;
  const inFlight = Object.values(flights).reduce((sum, count) => sum + Number(count), 0);
  const weightOfAll = [...new Set([...waiting, ...Object.keys(flights)])].reduce((sum, tenant) => sum + weight(tenant), 0);
  for (const tenant of waiting) {
    if (Number(express[tenant] ?? 0) < 2) return [tenant, true];
    const share = Math.max(1, Math.floor((capacity * weight(tenant)) / weightOfAll));
    if (inFlight < capacity && Number(flights[tenant] ?? 0) < share) return [tenant, false];
  }
  return undefined;
}

beforeAll(async () => {
  server = await RedisServer.start();
});
beforeEach(async () => {
  redis = await connectRedis(server.url, { role: 'producer', name: 'ledger' });
  await redis.flushall();
  now = 10_000;
  ledger = new RedisBatchLedger(redis, () => now);
});
afterEach(() => {
  redis.disconnect();
});
afterAll(() => server.stop());

describe('RedisBatchLedger', () => {
  it('hands out each slice once, and is done with the last of them', async () => {
    expect(await ledger.open(job('a'))).toBe(true);
    expect(await ledger.open(job('a'))).toBe(false);
    expect(names(await pick(10))).toEqual(['a-0', 'a-1', 'a-2']);
    expect(await pick(10)).toEqual([]);
    expect(await ledger.commit('a', 2, OK)).toBe('counted');
    expect(await ledger.commit('a', 2, OK)).toBe('repeated');
    expect(await ledger.commit('a', 0, OK)).toBe('counted');
    expect(await ledger.commit('a', 1, OK)).toBe('last');
    expect(await ledger.state('a')).toMatchObject({
      succeeded: 30,
      errored: 3,
      pairs: 1_500,
      inFlight: 0,
      slicesDone: 3,
      startedMs: 10_000,
    });
    expect((await ledger.due(now, 0)).finishable).toEqual(['a']);
  });

  it('keeps no more in flight than the window holds, and refills what was committed', async () => {
    await ledger.open(job('a', { slices: 100 }));
    expect(await pick(5)).toHaveLength(5);
    expect(await pick(5)).toEqual([]);
    await ledger.commit('a', 0, OK);
    await ledger.commit('a', 3, OK);
    expect(names(await pick(5))).toEqual(['a-5', 'a-6']);
  });

  it('lets a tenant that comes new in at once, whatever is taken', async () => {
    await ledger.open(job('large', { slices: 1_000 }));
    await pick(8);
    await ledger.open(job('small', { tenant: 'beta', slices: 1 }));
    expect(await pick(8)).toEqual([{ job: 'small', slice: 0, tenant: 'beta', express: true }]);
  });

  it('gives a tenant no second entry through the express door before it was idle', async () => {
    await ledger.open(job('large', { slices: 1_000 }));
    const first = await pick(4);
    expect(first.filter(({ express }) => express)).toHaveLength(2);
    for (const { slice } of first) await ledger.commit('large', slice, OK);
    expect((await pick(4)).some(({ express }) => express)).toBe(false);
  });

  it('shares the window between tenants by their weights', async () => {
    await ledger.open(job('a', { slices: 1_000 }));
    await ledger.open(job('b', { tenant: 'beta', slices: 1_000 }));
    const taken: Record<string, number> = {};
    for (let round = 0; round < 60; round += 1) {
      for (const { job: id, tenant, slice } of await pick(8, { beta: 3 })) {
        taken[tenant] = (taken[tenant] ?? 0) + 1;
        await ledger.commit(id, slice, OK);
      }
    }
    expect(taken['beta']! / taken['acme']!).toBeGreaterThan(2.5);
    expect(taken['beta']! / taken['acme']!).toBeLessThan(3.5);
  });

  it('orders the jobs of a tenant by time and priority, a step a minute', async () => {
    await ledger.open(job('first', { createdMs: 0, slices: 1 }));
    await ledger.open(job('later-and-urgent', { createdMs: 90_000, priority: 48, slices: 1 }));
    await ledger.open(job('last', { createdMs: 60_000, slices: 1 }));
    expect(names(await pick(3))).toEqual(['later-and-urgent-0', 'first-0', 'last-0']);
  });

  it('hands out nothing more of a job that was closed, and ends when what is in flight came back', async () => {
    await ledger.open(job('a'));
    await pick(2);
    expect(await ledger.close('a', 'cancelled')).toBe('closing');
    expect(await ledger.close('a', 'expired')).toBe('closing');
    expect(await pick(10)).toEqual([]);
    expect(await ledger.commit('a', 0, OK)).toBe('counted');
    expect(await ledger.commit('a', 1, { ...OK, succeeded: 0, cancelled: 10 })).toBe('last');
    expect(await ledger.state('a')).toMatchObject({ closing: 'cancelled', slicesDone: 2 });
    expect(await redis.exists('{rf}:cancelled:a')).toBe(1);
  });

  it('counts no slice of a job that was sealed, and gives its room to others', async () => {
    await ledger.open(job('a', { slices: 10 }));
    await pick(4);
    await ledger.close('a', 'cancelled');
    const state = await ledger.seal('a');
    expect(state).toMatchObject({ slicesDone: 0, inFlight: 0 });
    expect(await ledger.commit('a', 0, OK)).toBe('closed');
    await ledger.open(job('b', { tenant: 'beta', slices: 10 }));
    expect(await pick(4)).toHaveLength(4);
  });

  it('takes a job up again with what is done of it', async () => {
    await ledger.open(job('a', { slices: 4 }), { slices: [0, 2], counts: OK });
    expect(await ledger.state('a')).toMatchObject({ slicesDone: 2, succeeded: 10, errored: 1 });
    expect(names(await pick(10))).toEqual(['a-1', 'a-3']);
    const most = Array.from({ length: 100 }, (_, slice) => slice).filter((slice) => ![0, 7, 30, 64, 99].includes(slice));
    await ledger.open(job('most', { tenant: 'beta', slices: 100 }), { slices: most, counts: OK });
    expect(names(await pick(20))).toEqual(['most-0', 'most-7', 'most-30', 'most-64', 'most-99']);
    await ledger.open(job('whole', { slices: 2 }), { slices: [0, 1], counts: OK });
    expect((await ledger.due(now, 0)).finishable).toEqual(['whole']);
  });

  it('tells what has been out for long, once a period', async () => {
    await ledger.open(job('a'));
    await pick(2);
    expect(await ledger.overdue('default', now - 1)).toEqual([]);
    now += 60_000;
    expect(names(await ledger.overdue('default', now - 30_000))).toEqual(['a-0', 'a-1']);
    expect(await ledger.overdue('default', now - 30_000)).toEqual([]);
  });

  it('tells jobs over their time, and closed ones that nobody answers for', async () => {
    await ledger.open(job('a', { expiresMs: 20_000 }));
    await pick(1);
    expect((await ledger.due(19_999, 0)).expired).toEqual([]);
    expect((await ledger.due(20_000, 0)).expired).toEqual(['a']);
    now = 20_000;
    await ledger.close('a', 'expired');
    expect(await ledger.due(now, 19_999)).toEqual({ expired: [], finishable: [] });
    expect(await ledger.due(now, 20_000)).toEqual({ expired: [], finishable: ['a'] });
  });

  it('forgets a job whole', async () => {
    await ledger.open(job('a', { slices: 1 }));
    await pick(1);
    await ledger.commit('a', 0, OK);
    await ledger.seal('a');
    await ledger.forget('a');
    const left = (await redis.keys('*')).filter((key) => !/:(pools|times:default)$/.test(key));
    expect(left).toEqual([]);
  });

  it('keeps nothing of the window for a job that is forgotten while slices of it are out', async () => {
    await ledger.open(job('a', { slices: 10 }));
    expect(await pick(4)).toHaveLength(4);
    await ledger.forget('a');
    await ledger.open(job('b', { slices: 10 }));
    const next = await pick(4);
    expect(names(next)).toEqual(['b-0', 'b-1', 'b-2', 'b-3']);
    expect(next[0]?.express).toBe(true);
    expect(await ledger.open(job('a'))).toBe(true);
  });

  it('tells of an overdue slice through which queue it went', async () => {
    await ledger.open(job('a'));
    await pick(3);
    now += 60_000;
    const overdue = await ledger.overdue('default', now - 30_000);
    expect(overdue.map(({ slice, express }) => [slice, express])).toEqual([
      [0, true],
      [1, true],
      [2, false],
    ]);
  });

  it('holds nothing of the window for slices of a job that is lost', async () => {
    await ledger.open(job('a', { slices: 2 }));
    await ledger.open(job('b', { slices: 9 }));
    await ledger.open(job('gone', { tenant: 'beta' }));
    expect(names(await pick(6)).sort()).toEqual(['a-0', 'a-1', 'b-0', 'gone-0', 'gone-1', 'gone-2']);
    // As in a Redis that came back without them.
    await redis.del('{rf}:batch:job:a', '{rf}:batch:job:gone');
    now += 60_000;
    expect(names(await ledger.overdue('default', now - 30_000))).toEqual(['b-0']);
    expect(await redis.hgetall('{rf}:batch:flights:default')).toEqual({ acme: '1' });
    expect(await redis.smembers('{rf}:batch:flows:default')).toEqual(['acme']);
    expect(await pick(6)).toHaveLength(5);
    expect(await redis.hgetall('{rf}:batch:flights:default')).toEqual({ acme: '6' });
  });

  it('lets slices of a closed job be dropped that nobody has run, and ends with the last of them', async () => {
    await ledger.open(job('a', { slices: 9 }));
    await pick(3);
    expect(await ledger.drop('a', 0)).toBe('open');
    await ledger.close('a', 'cancelled');
    expect(await ledger.flights('a')).toEqual([
      { slice: 0, express: true },
      { slice: 1, express: true },
      { slice: 2, express: false },
    ]);
    expect(await ledger.drop('a', 0)).toBe('counted');
    expect(await ledger.drop('a', 2)).toBe('counted');
    expect(await ledger.commit('a', 1, OK)).toBe('last');
    expect(await ledger.state('a')).toMatchObject({ slicesDone: 1, inFlight: 0 });
    expect(await ledger.flights('a')).toEqual([]);
    await ledger.seal('a');
    expect(await ledger.drop('a', 2)).toBe('closed');
    await ledger.forget('a');
    expect(await ledger.drop('a', 2)).toBe('unknown');
  });

  it('picks at the same cost however many tenants wait, with a full window and with room', async () => {
    const calls: Record<string, number[]> = {};
    for (const tenants of [40, 1_000]) {
      await redis.flushall();
      for (let at = 0; at < tenants; at += 1) await ledger.open(job(`j${at}`, { tenant: `t${at}`, slices: 50 }));
      while ((await pick(20)).length > 0);
      for (const [what, capacity] of Object.entries({ full: 20, room: 2 * tenants + 1 })) {
        await redis.config('RESETSTAT');
        const picked = await pick(capacity, { t3: 2, nobody: 5 });
        expect(picked.length).toBeLessThanOrEqual(1);
        (calls[what] ??= []).push(await commandsRun());
      }
    }
    for (const [few, many] of Object.values(calls)) expect(many).toBeLessThanOrEqual(few! + 10);
  });

  it('serves tenants that a process of another release has left out of the indexes', async () => {
    await ledger.open(job('a'));
    await redis.del('{rf}:batch:fresh:default', '{rf}:batch:unserved:default');
    expect(await pick(1)).toEqual([]);
    await ledger.overdue('default', 0);
    expect(await pick(5)).toHaveLength(3);
    await ledger.open(job('b', { tenant: 'beta' }));
    await redis.del('{rf}:batch:fresh:default', '{rf}:batch:unserved:default', '{rf}:batch:flows:default');
    expect(await pick(9)).toHaveLength(3);
  });

  it('gives each slice to whose turn it is, whatever came before', async () => {
    const tenants = ['acme', 'beta', 'gamma', 'delta', 'zeta'];
    const weights = { beta: 4, zeta: 0.5 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('open', 'pick', 'commit', 'close', 'forget'), fc.nat(1_000)), { minLength: 20, maxLength: 80 }),
        fc.integer({ min: 1, max: 14 }),
        async (steps, capacity) => {
          await redis.flushall();
          const jobs: string[] = [];
          const inHand: SliceRef[] = [];
          for (const [step, chance] of steps) {
            const id = jobs[chance % Math.max(1, jobs.length)];
            if (step === 'open') {
              jobs.push(`j${jobs.length}`);
              await ledger.open(job(jobs.at(-1)!, { tenant: tenants[chance % tenants.length]!, slices: 1 + (chance % 7) }));
            } else if (step === 'pick') {
              const expected = await nextBySearch(capacity, weights);
              const picked = await pick(capacity, weights);
              expect(picked[0] && [picked[0].tenant, picked[0].express]).toEqual(expected);
              inHand.push(...picked);
              expect(await nextBySearch(capacity, weights)).toBeUndefined();
            } else if (step === 'commit' && inHand.length > 0) {
              const [{ job: of, slice }] = inHand.splice(chance % inHand.length, 1) as [SliceRef];
              await ledger.commit(of, slice, OK);
            } else if (id !== undefined && step === 'close') await ledger.close(id, 'cancelled');
            else if (id !== undefined && step === 'forget') await ledger.forget(id);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('loses and doubles nothing whatever order things come in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ tenant: fc.constantFrom('acme', 'beta', 'gamma'), slices: fc.integer({ min: 1, max: 12 }) }), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.integer({ min: 1, max: 9 }),
        fc.infiniteStream(fc.nat()),
        async (jobs, capacity, chance) => {
          await redis.flushall();
          for (const [position, fields] of jobs.entries()) await ledger.open(job(`j${position}`, fields));
          const seen = new Map<string, number>();
          const inHand: SliceRef[] = [];
          for (let turn = 0; turn < 500; turn += 1) {
            inHand.push(...(await pick(capacity)));
            if (inHand.length === 0) break;
            const [{ job: id, slice } = { job: '', slice: 0 }] = inHand.splice((chance.next().value ?? 0) % inHand.length, 1);
            seen.set(`${id}-${slice}`, (seen.get(`${id}-${slice}`) ?? 0) + 1);
            await ledger.commit(id, slice, OK);
          }
          const all = jobs.flatMap(({ slices }, position) => Array.from({ length: slices }, (_, slice) => `j${position}-${slice}`));
          expect([...seen.keys()].sort()).toEqual(all.sort());
          expect([...seen.values()].every((times) => times === 1)).toBe(true);
          expect([...(await ledger.due(now, 0)).finishable].sort()).toEqual(jobs.map((_, position) => `j${position}`).sort());
        },
      ),
      { numRuns: 15 },
    );
  });
});
