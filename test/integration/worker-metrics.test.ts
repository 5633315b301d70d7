import type { SearchTask } from '@rerank-fleet/core/contracts';
import { WORKER_METRICS, type MetricDefinition } from '@rerank-fleet/core/observability';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scrape, sumOf } from '../support/prometheus-text.js';
import { TINY_FAULTS } from '../support/tiny-models/index.js';
import type { WorkerProcess } from '../support/worker-process.js';
import { TENANT, WorkerStack } from './worker-support.js';

const OPS = { OPS_PORT: '0' };
/** What is exported only once it has happened. */
const PAIRS = 'rerank_fleet_pairs_scored_total';

let stack: WorkerStack;

beforeEach(async () => {
  stack = await WorkerStack.start();
});
afterEach(() => stack.stop());

async function opsUrl(worker: WorkerProcess): Promise<string> {
  const { url } = await worker.logged(({ message }) => typeof message === 'string' && message.startsWith('Metrics and probes'));
  return url as string;
}

async function searchOf(documents: readonly string[]): Promise<SearchTask> {
  await stack.makeCorpus('garden');
  const record = await stack.api.documentStore.findCorpus({ tenant: TENANT, corpus: 'garden' });
  const rows = documents.map((text, index) => ({ id: `d${index}`, text }));
  await stack.finished(await stack.ingest({ name: 'garden', id: record?.corpusId ?? '' }, rows));
  return {
    kind: 'search',
    version: record!.versions[0]!,
    query: 'prune the apple tree',
    mode: 'hybrid',
    top_k: 10,
    top_n: 10,
    group_by: 'document',
    stages: [{ model: await stack.pin() }],
    long_document: 'truncate',
    deterministic: true,
  };
}

describe('metrics of a worker', () => {
  it('count the pairs, batches and tokens of the work that it does', async () => {
    const url = await opsUrl(await stack.startWorker(OPS));
    const before = await scrape(url);
    expect(sumOf(before, PAIRS)).toBe(0);
    expect(sumOf(before, 'rerank_fleet_worker_ready')).toBe(1);
    await stack.call(
      await stack.rerankBody(['apple', 'how to prune the tree', 'pie', 'a much longer text about the apple tree in winter']),
    );
    await expect(stack.call(await stack.rerankBody([TINY_FAULTS.notANumber]))).rejects.toMatchObject({ code: 'score_not_finite' });

    const after = await scrape(url);
    const model = 'tiny-reranker';
    expect(sumOf(after, PAIRS, { model, priority: 'sync' })).toBe(5);
    expect(sumOf(after, 'rerank_fleet_batches_total', { model })).toBeGreaterThan(0);
    expect(sumOf(after, 'rerank_fleet_batch_fill_ratio_count', { model })).toBe(sumOf(after, 'rerank_fleet_batches_total', { model }));
    expect(sumOf(after, 'rerank_fleet_planner_wait_seconds_count', { model })).toBe(5);
    const [tokens, padded] = ['batch_tokens', 'batch_padded_tokens'].map((name) => sumOf(after, `rerank_fleet_${name}_total`, { model }));
    expect(tokens).toBeGreaterThan(5 * 3);
    expect(sumOf(after, 'rerank_fleet_padding_waste_ratio', { model })).toBeCloseTo(1 - tokens! / padded!, 6);
    expect(sumOf(after, 'rerank_fleet_task_duration_seconds_count', { kind: 'rerank', code: 'ok' })).toBe(1);
    expect(sumOf(after, 'rerank_fleet_task_duration_seconds_count', { kind: 'rerank', code: 'score_not_finite' })).toBe(1);
    expect(sumOf(after, 'rerank_fleet_queue_wait_seconds_count', { kind: 'rerank' })).toBe(2);
    expect(sumOf(after, 'rerank_fleet_engine_sessions', { model })).toBe(1);
    expect(sumOf(after, 'rerank_fleet_engine_batch_budget_tokens', { model })).toBe(1_024);
  });

  it('are those that the definitions name, of this process and no others', async () => {
    const families = await scrape(await opsUrl(await stack.startWorker(OPS)));
    const defined = Object.values<MetricDefinition>(WORKER_METRICS);
    expect([...families.keys()].filter((name) => name.startsWith('rerank_fleet_')).toSorted()).toEqual(
      defined.map(({ name }) => name).toSorted(),
    );
    for (const { name, type, help } of defined) expect(families.get(name)).toMatchObject({ type, help });
    expect(families.has('process_resident_memory_bytes')).toBe(true);
  });

  it('tell hits of the score cache, and the fleet is told too', async () => {
    const url = await opsUrl(await stack.startWorker(OPS));
    const search = await searchOf(['How to prune the apple tree in winter.', 'The stock price fell.', 'Apple pie.']);
    const [first, second] = [await stack.call(search), await stack.call(search)];
    expect(second.results).toEqual(first.results);
    const families = await scrape(url);
    expect(sumOf(families, 'rerank_fleet_score_cache_misses_total', { tier: 'memory' })).toBe(3);
    expect(sumOf(families, 'rerank_fleet_score_cache_hits_total', { tier: 'memory' })).toBe(3);
    expect(sumOf(families, 'rerank_fleet_score_cache_entries')).toBe(3);
    expect(sumOf(families, PAIRS)).toBe(3);
    expect(sumOf(families, 'rerank_fleet_retrieve_seconds_count', { mode: 'hybrid' })).toBe(2);
    expect(sumOf(families, 'rerank_fleet_texts_embedded_total')).toBeGreaterThanOrEqual(5);
    await expect
      .poll(async () => (await stack.api.fleet.live())[0]?.stats, { timeout: 15_000 })
      .toMatchObject({
        pairs_scored: 3,
        cache_hits: 3,
        cache_misses: 3,
        batch_fill: expect.any(Number) as number,
        pairs_per_s: expect.any(Number) as number,
      });
    const [worker] = await stack.api.fleet.live();
    expect(worker?.rss_bytes).toBeGreaterThan(10_000_000);
    expect(worker?.announced_at).toBeGreaterThan(worker?.started_at ?? Infinity);
  });

  it('tell of the Redis tier, from which another worker takes scores', async () => {
    const redisTier = { SCORE_CACHE_REDIS_TTL_S: '600', SCORE_CACHE_PAIRS: '0' };
    const one = await stack.startWorker(redisTier);
    const search = await searchOf(['How to prune the apple tree in winter.', 'The stock price fell.']);
    const first = await stack.call(search);
    await expect.poll(() => stack.keys('score')).toHaveLength(2);
    await one.end();
    const url = await opsUrl(await stack.startWorker({ ...OPS, ...redisTier }));
    // The very first look-up may come before the connection, and a busy machine may be slower than the cache waits.
    await expect
      .poll(
        async () => {
          expect((await stack.call(search)).results).toEqual(first.results);
          return sumOf(await scrape(url), 'rerank_fleet_score_cache_hits_total', { tier: 'redis' });
        },
        { timeout: 20_000, interval: 100 },
      )
      .toBeGreaterThanOrEqual(2);
  });

  it('keep no score of documents that are sent along, unless they are to be kept', async () => {
    const url = await opsUrl(await stack.startWorker(OPS));
    const body = await stack.rerankBody(['apple', 'pie']);
    for (let round = 0; round < 2; round += 1) await stack.call(body);
    expect(sumOf(await scrape(url), PAIRS)).toBe(4);
  });

  it('count hits of documents that are sent along, where they are kept', async () => {
    const url = await opsUrl(await stack.startWorker({ ...OPS, SCORE_CACHE_DOCUMENTS: 'true' }));
    const body = await stack.rerankBody(['apple', 'pie']);
    for (let round = 0; round < 2; round += 1) await stack.call(body);
    expect(sumOf(await scrape(url), PAIRS)).toBe(2);
  });
});

describe('probes of a worker', () => {
  it('are ready once it is warm, and no longer when it drains, while it lives', async () => {
    const worker = stack.spawnWorker({ ...OPS, DRAIN_MS: '20000' });
    const url = await opsUrl(worker);
    const status = async (path: string): Promise<number> => (await fetch(`${url}${path}`)).status;
    expect(await status('/health/live')).toBe(200);
    await expect.poll(() => status('/health/ready'), { timeout: 20_000, interval: 5 }).toBe(200);
    const slow = stack.call(await stack.rerankBody([TINY_FAULTS.slow]), { timeoutMs: 60_000 });
    await stack.taken(1);
    const ended = worker.end();
    await expect.poll(() => status('/health/ready'), { timeout: 20_000, interval: 5 }).toBe(503);
    expect(await status('/health/live')).toBe(200);
    await slow;
    await ended;
    await expect(fetch(`${url}/health/live`)).rejects.toThrow();
  });

  it('do not start on a port that is in use, and say what to set', async () => {
    const url = await opsUrl(await stack.startWorker(OPS));
    const second = stack.spawnWorker({ OPS_PORT: new URL(url).port });
    expect(await second.exited).toMatchObject({ code: 78 });
    expect(second.text).toMatch(/OPS_PORT/);
  });
});
