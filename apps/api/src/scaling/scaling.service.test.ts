import { MemoryJobQueue } from '@rerank-fleet/core/adapters/memory/memory-job-queue';
import type { WorkerAnnouncement } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { API_METRICS, MetricSet } from '@rerank-fleet/core/observability';
import { describe, expect, it } from 'vitest';
import { announcement, ingestPayload } from '../../../../test/support/fleet-fixtures.js';
import { parsePrometheus, sumOf } from '../../../../test/support/prometheus-text.js';
import { collectScaling, scalingRoute } from './scaling-ops.js';
import { ScalingService, type DemandSource } from './scaling.service.js';

const SETTINGS = { syncDrainS: 10, batchDrainS: 600, idleS: 300, maxWorkers: 50, workerTokensPerS: 1_000 };
const STATS = { pairs_scored: 1, batches: 1, padding_waste: 0 };

interface Start {
  readonly live?: readonly WorkerAnnouncement[];
  readonly pools?: readonly string[];
  readonly demand?: Partial<DemandSource>;
}

function start({ live = [], pools = ['default'], demand = {} }: Start = {}) {
  const queue = new MemoryJobQueue();
  const fleet = { live: async () => live, remembered: async () => pools.map((pool) => ({ pool, models: [] })) };
  const scaling = new ScalingService({
    queue,
    fleet,
    settings: SETTINGS,
    now: () => 10_000,
    demand: {
      sync: async () => ({ tokens: 0, tokensPerS: 0, idleMs: Infinity }),
      batch: async () => ({ slices: 0, tokens: 0, tokensPerS: 0 }),
      isDemanded: async () => false,
      lastSpeed: async () => undefined,
      ...demand,
    },
  });
  return { queue, fleet, scaling };
}

const calls = (tokens: number): Partial<DemandSource> => ({ sync: async () => ({ tokens, tokensPerS: 0, idleMs: 0 }) });

describe(ScalingService, () => {
  it('asks for nothing of a pool that sleeps', async () => {
    const { scaling } = start();
    expect(await scaling.read('default')).toEqual({
      pool: 'default',
      outstanding_tokens: 0,
      oldest_age_s: 0,
      live_workers: 0,
      desired_workers: 0,
    });
  });

  it('adds up tokens of calls, jobs and uploads, and tells the age of what goes next', async () => {
    const demand: Partial<DemandSource> = { ...calls(500), batch: async () => ({ slices: 2, tokens: 1_000.5, tokensPerS: 10 }) };
    const { scaling, queue } = start({ demand });
    await queue.enqueue('ingest', { id: 'a', payload: ingestPayload(7_000) });
    await queue.enqueue('sync-default', { id: 'b', payload: ingestPayload(9_000) });
    expect(await scaling.read('default')).toMatchObject({ outstanding_tokens: 500 + 1_001 + 32_768, oldest_age_s: 3 });
  });

  it.each([
    ['what live workers measured, on average', [2_000, 6_000], 100, 3],
    ['what the last worker measured', [], 3_000, 4],
    ['what is configured', [], undefined, 12],
  ])('takes the speed of a worker from %s', async (_, speeds, lastSpeed, desired) => {
    const live = speeds.map((speed) => announcement({ stats: { ...STATS, tokens_per_s: speed } }));
    const { scaling } = start({ live, demand: { ...calls(120_000), lastSpeed: async () => lastSpeed } });
    expect((await scaling.read('default')).desired_workers).toBe(desired);
  });

  it('counts neither workers that drain nor those of other pools', async () => {
    const live = [announcement({ state: 'draining' }), announcement({ pool: 'other' }), announcement()];
    expect((await start({ live }).scaling.read('default')).live_workers).toBe(1);
  });

  it.each(['ingest', 'webhooks'])('asks one pool alone for what any worker does: %s', async (shared) => {
    const { scaling, queue } = start({ pools: ['a', 'default'] });
    await queue.enqueue(shared, { id: 'a', payload: ingestPayload(9_000) });
    expect((await scaling.read('default')).desired_workers).toBe(1);
    expect((await scaling.read('a')).desired_workers).toBe(0);
  });

  it('asks a pool that has workers anyway, before one that would have to wake up', async () => {
    const { scaling, queue } = start({ pools: ['a', 'default'], live: [announcement({ pool: 'a' })] });
    await queue.enqueue('ingest', { id: 'a', payload: ingestPayload(9_000) });
    expect((await scaling.read('a')).desired_workers).toBe(1);
    expect((await scaling.read('default')).desired_workers).toBe(0);
  });

  it('asks the default pool of a fleet that never had a worker', async () => {
    const { scaling } = start({ pools: [], demand: { isDemanded: async (pool) => pool === 'default' } });
    expect((await scaling.read('default')).desired_workers).toBe(1);
    expect((await scaling.read('gpu')).desired_workers).toBe(0);
  });
});

describe(scalingRoute, () => {
  it('answers for the default pool, or for the one that is named', async () => {
    const route = scalingRoute(start({ demand: calls(1) }).scaling);
    expect(JSON.parse((await route(new URLSearchParams(), {})).body)).toMatchObject({ pool: 'default', desired_workers: 1 });
    expect(JSON.parse((await route(new URLSearchParams('pool=gpu'), {})).body)).toMatchObject({ pool: 'gpu' });
  });

  it.each(['pool=A:b', 'pool=', 'pod=a'])('refuses %s', async (query) => {
    expect((await scalingRoute(start().scaling)(new URLSearchParams(query), {})).status).toBe(400);
  });

  it('gives no number while Redis is away', async () => {
    const away = { read: () => Promise.reject(new RerankError('queue_unavailable', 'away')) };
    const { status, body } = await scalingRoute(away)(new URLSearchParams(), {});
    expect([status, JSON.parse(body)]).toEqual([503, { code: 'queue_unavailable', message: 'away' }]);
  });
});

describe(collectScaling, () => {
  it('tells Prometheus the same of every pool that ever had a worker', async () => {
    const metrics = new MetricSet(API_METRICS);
    const { scaling, fleet } = start({ pools: ['default', 'gpu'], demand: calls(30_000) });
    collectScaling(metrics, { scaling, fleet });
    const families = parsePrometheus(await metrics.text());
    expect(sumOf(families, 'rerank_fleet_desired_workers', { pool: 'gpu' })).toBe((await scaling.read('gpu')).desired_workers);
    expect(sumOf(families, 'rerank_fleet_outstanding_tokens', { pool: 'default', kind: 'sync' })).toBe(30_000);
    expect(sumOf(families, 'rerank_fleet_outstanding_tokens', { pool: 'default', kind: 'batch' })).toBe(0);
  });

  it('tells of the pool that calls wake where no pool ever had a worker', async () => {
    const metrics = new MetricSet(API_METRICS);
    const { scaling, fleet } = start({ pools: [], demand: calls(30_000) });
    collectScaling(metrics, { scaling, fleet });
    const families = parsePrometheus(await metrics.text());
    expect(families.get('rerank_fleet_desired_workers')?.samples.map(({ labels, value }) => [labels['pool'], value > 0])).toEqual([
      ['default', true],
    ]);
  });
});
