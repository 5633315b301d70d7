import { MemoryJobQueue } from '@rerank-fleet/core/adapters/memory/memory-job-queue';
import { RerankError } from '@rerank-fleet/core/errors';
import { describe, expect, it } from 'vitest';
import { announcement, ingestPayload } from '../../../../test/support/fleet-fixtures.js';
import { parsePrometheus, sumOf } from '../../../../test/support/prometheus-text.js';
import { API_METRICS, MetricSet } from '@rerank-fleet/core/observability';
import { meterDispatcher } from './api-metrics.js';
import { collectFleet, type CollectedFleet } from './collect-fleet.js';

function start(overrides: Partial<CollectedFleet> = {}) {
  const queue = new MemoryJobQueue();
  const metrics = new MetricSet(API_METRICS, { collectTimeoutMs: 50 });
  const fleet = {
    live: async () => [announcement(), announcement({ worker_id: 'b', state: 'draining' })],
    remembered: async () => [{ pool: 'default' }, { pool: 'asleep' }],
  };
  collectFleet(metrics, { queue, fleet, now: () => 10_000, ...overrides });
  return { queue, metrics, read: async () => parsePrometheus(await metrics.text()) };
}

describe(collectFleet, () => {
  it('tells how many tasks wait and for how long, also where no worker lives', async () => {
    const { queue, read } = start();
    await queue.enqueue('sync-asleep', { id: 'a', payload: ingestPayload(7_000) });
    await queue.enqueue('sync-asleep', { id: 'b', payload: ingestPayload(9_000) });
    const families = await read();
    expect(sumOf(families, 'rerank_fleet_queue_tasks_waiting', { queue: 'sync-asleep' })).toBe(2);
    expect(sumOf(families, 'rerank_fleet_queue_next_task_age_seconds', { queue: 'sync-asleep' })).toBe(3);
    expect(families.get('rerank_fleet_queue_next_task_age_seconds')?.samples).toContainEqual(
      expect.objectContaining({ labels: { queue: 'sync-default' }, value: 0 }),
    );
  });

  it('tells which queues operators have paused', async () => {
    const { queue, read } = start();
    await queue.pause('sync-default');
    const paused = (await read()).get('rerank_fleet_queue_paused')?.samples.filter(({ value }) => value === 1);
    expect(paused?.map(({ labels }) => labels['queue'])).toEqual(['sync-default']);
  });

  it('counts workers by pool and state, with a zero for a pool that sleeps', async () => {
    const families = await start().read();
    const workers = families.get('rerank_fleet_workers_live')?.samples.map(({ labels, value }) => [labels['pool'], labels['state'], value]);
    expect(workers).toEqual([
      ['default', 'ready', 1],
      ['default', 'draining', 1],
      ['asleep', 'ready', 0],
      ['asleep', 'draining', 0],
    ]);
  });

  it('tells of the pool that calls wake where no pool ever had a worker', async () => {
    const { queue, read } = start({ fleet: { live: async () => [], remembered: async () => [] } });
    await queue.enqueue('sync-default', { id: 'a', payload: ingestPayload(7_000) });
    const families = await read();
    expect(sumOf(families, 'rerank_fleet_queue_next_task_age_seconds', { queue: 'sync-default' })).toBe(3);
    expect(families.get('rerank_fleet_workers_live')?.samples).toContainEqual(
      expect.objectContaining({ labels: { pool: 'default', state: 'ready' }, value: 0 }),
    );
  });

  it.each([
    ['is away', () => Promise.reject(new RerankError('queue_unavailable', 'away'))],
    ['does not answer', () => new Promise<never>(() => undefined)],
  ])('answers without the queues while Redis %s', async (_, fail) => {
    const { read } = start({ queue: { depth: fail, peek: fail, isPaused: fail } });
    const families = await read();
    expect(families.get('rerank_fleet_queue_tasks_waiting')?.samples).toEqual([]);
    expect(sumOf(families, 'rerank_fleet_scrape_failures_total', { collector: 'queues' })).toBe(1);
    expect(sumOf(families, 'rerank_fleet_workers_live')).toBe(2);
  });
});

describe(meterDispatcher, () => {
  it('counts the tasks that are waited for, until they end in whatever way', async () => {
    const metrics = new MetricSet(API_METRICS);
    const read = async () => sumOf(parsePrometheus(await metrics.text()), 'rerank_fleet_sync_tasks_outstanding');
    const endings: { resolve: (value: never) => void; reject: (error: Error) => void }[] = [];
    const metered = meterDispatcher(
      { call: () => new Promise((resolve, reject) => endings.push({ resolve, reject })), submit: () => Promise.resolve() },
      metrics,
    );
    const call = () => metered.call({} as Parameters<typeof metered.call>[0]);
    const [one, other] = [call(), call()];
    expect(await read()).toBe(2);
    endings[0]?.resolve({} as never);
    await one;
    expect(await read()).toBe(1);
    endings[1]?.reject(new Error('late'));
    await expect(other).rejects.toThrow('late');
    expect(await read()).toBe(0);
  });
});
