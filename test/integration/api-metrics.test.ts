import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApp } from '@rerank-fleet/api/create-app';
import { routesOf } from '@rerank-fleet/api/http/route-table';
import { createApiMetrics } from '@rerank-fleet/api/metrics/api-metrics';
import { collectFleet } from '@rerank-fleet/api/metrics/collect-fleet';
import { startApiOps } from '@rerank-fleet/api/metrics/start-api-ops';
import { HEALTH_SERVICE, SCALING_SERVICE } from '@rerank-fleet/api/tokens';
import { collectScaling } from '@rerank-fleet/api/scaling/scaling-ops';
import type { ScalingService } from '@rerank-fleet/api/scaling/scaling.service';
import type { HealthService } from '@rerank-fleet/api/health/health.service';
import { loadConfig } from '@rerank-fleet/core/config';
import type { WorkerListBody } from '@rerank-fleet/core/contracts';
import { API_METRICS, createLogger, type MetricDefinition, type OpsServer } from '@rerank-fleet/core/observability';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scrape, sumOf } from '../support/prometheus-text.js';
import { startTestApi } from './api-support.js';
import { WorkerStack } from './worker-support.js';

let stack: WorkerStack;
let app: NestFastifyApplication;
let ops: OpsServer;

beforeEach(async () => {
  stack = await WorkerStack.start();
  const config = loadConfig({ PORT: '0', OPS_PORT: '0' });
  const logger = createLogger({ level: 'silent', process: 'api' });
  const metrics = createApiMetrics();
  collectFleet(metrics, stack.api);
  app = await createApp({ config, logger, adapters: stack.api }, metrics);
  const scaling = app.get<ScalingService>(SCALING_SERVICE);
  collectScaling(metrics, { scaling, fleet: stack.api.fleet });
  const started = await startApiOps({ config, logger, metrics, scaling, health: app.get<HealthService>(HEALTH_SERVICE) });
  if (started === undefined) throw new Error('OPS_PORT is set.');
  ops = started;
});
afterEach(async () => {
  await ops.close();
  await app.close();
  await stack.stop();
});

const rerank = (documents: readonly string[]) =>
  app.inject({ method: 'POST', url: '/v1/rerank', headers: { host: 'localhost' }, payload: { query: 'apple tree', documents } });

describe('metrics of the API', () => {
  it('count requests by route and status, errors by code, and what waits', async () => {
    await stack.startWorker();
    expect((await rerank(['apple', 'pie'])).statusCode).toBe(200);
    expect((await rerank([])).statusCode).toBe(400);
    expect((await app.inject({ url: '/v1/corpora/secret-name', headers: { host: 'localhost' } })).statusCode).toBe(404);
    expect((await app.inject({ url: '/nowhere/secret-name', headers: { host: 'localhost' } })).statusCode).toBe(404);
    const response = await fetch(`${ops.url}/metrics`);
    expect(await response.text()).not.toContain('secret-name');
    const families = await scrape(ops.url);
    const requests = 'rerank_fleet_http_requests_total';
    expect(sumOf(families, requests, { route: '/v1/rerank', method: 'POST', status: '200' })).toBe(1);
    expect(sumOf(families, requests, { route: '/v1/rerank', method: 'POST', status: '400' })).toBe(1);
    expect(sumOf(families, requests, { route: '/v1/corpora/:name', status: '404' })).toBe(1);
    expect(sumOf(families, 'rerank_fleet_http_request_duration_seconds_count')).toBe(4);
    expect(sumOf(families, 'rerank_fleet_errors_total', { code: 'invalid_request' })).toBe(1);
    expect(sumOf(families, 'rerank_fleet_errors_total', { code: 'corpus_not_found' })).toBe(1);
    expect(sumOf(families, 'rerank_fleet_workers_live', { pool: 'default', state: 'ready' })).toBe(1);
    expect(sumOf(families, 'rerank_fleet_queue_tasks_waiting')).toBe(0);
    expect([...families.keys()].toSorted()).toEqual(
      Object.values<MetricDefinition>(API_METRICS)
        .map(({ name }) => name)
        .toSorted(),
    );
  });

  it('begin with every route as it is counted later', async () => {
    const routes = new Set(routesOf(app.getHttpAdapter().getInstance()).map(({ method, path }) => `${method} ${path}`));
    const begun = (await scrape(ops.url)).get('rerank_fleet_http_requests_total')?.samples ?? [];
    expect(begun.length).toBeGreaterThan(routes.size);
    expect(begun.map(({ labels }) => `${labels['method']} ${labels['route']}`).filter((route) => !routes.has(route))).toEqual([]);
  });

  it('show a call that waits for a worker, in the queue and at the API', async () => {
    const worker = await stack.startWorker();
    await worker.end();
    const call = rerank(['apple']);
    await expect
      .poll(async () => sumOf(await scrape(ops.url), 'rerank_fleet_queue_tasks_waiting', { queue: 'sync-default' }), { timeout: 15_000 })
      .toBe(1);
    const families = await scrape(ops.url);
    expect(sumOf(families, 'rerank_fleet_sync_tasks_outstanding')).toBe(1);
    expect(sumOf(families, 'rerank_fleet_queue_next_task_age_seconds', { queue: 'sync-default' })).toBeGreaterThan(0);
    await stack.startWorker();
    expect((await call).statusCode).toBe(200);
    expect(sumOf(await scrape(ops.url), 'rerank_fleet_sync_tasks_outstanding')).toBe(0);
  });

  it('answer while Redis is away, without what it would have told', async () => {
    await stack.startWorker();
    expect(sumOf(await scrape(ops.url), 'rerank_fleet_workers_live')).toBe(1);
    await stack.redis.kill();
    const families = await scrape(ops.url);
    expect(families.get('rerank_fleet_queue_tasks_waiting')?.samples).toEqual([]);
    expect(sumOf(families, 'rerank_fleet_scrape_failures_total')).toBeGreaterThanOrEqual(1);
    expect((await fetch(`${ops.url}/health/live`)).status).toBe(200);
    expect((await fetch(`${ops.url}/health/ready`)).status).toBe(503);
    await stack.redis.resume();
  });
});

describe('GET /v1/admin/workers', () => {
  it('shows what a worker holds, how it runs it and what it did', async () => {
    await stack.startWorker();
    await rerank(['apple', 'how to prune the tree', 'pie']);
    const read = async () => (await app.inject({ url: '/v1/admin/workers', headers: { host: 'localhost' } })).json<WorkerListBody>().data;
    await expect.poll(async () => (await read())[0]?.pairs_scored, { timeout: 15_000 }).toBe(3);
    const [worker, ...others] = await read();
    expect(others).toEqual([]);
    expect(worker).toMatchObject({
      pool: 'default',
      state: 'ready',
      device: 'cpu',
      engine: { sessions: 1, tuned: false },
      pairs_waiting: 0,
      pairs_per_s: expect.any(Number) as number,
    });
    expect(worker?.models.map(({ id, kind }) => [id, kind])).toEqual([
      ['tiny-reranker', 'cross-encoder'],
      ['tiny-embedder', 'embedder'],
    ]);
    expect(worker?.models[0]?.sha256).toBe((await stack.pin()).sha256);
    expect(worker?.heartbeat_age_ms).toBeLessThan(15_000);
    expect(worker?.batch_fill).toBeGreaterThan(0);
    expect(worker?.batch_fill).toBeLessThanOrEqual(1);
    expect(worker?.padding_waste).toBeGreaterThanOrEqual(0);
    expect(worker?.rss_bytes).toBeGreaterThan(10_000_000);
  });

  it('is for operators only', async () => {
    const key = 'a-key-of-sixteen-chars';
    const api = await startTestApi({ API_KEYS: JSON.stringify([{ key, tenant: 'acme', scopes: ['search', 'admin'] }]) });
    const answer = await api.inject({ url: '/v1/admin/workers', headers: { authorization: `Bearer ${key}` } });
    expect(answer.statusCode).toBe(403);
    await api.close();
  });
});
