import { describe, expect, it } from 'vitest';
import { parsePrometheus, sumOf } from '../../../../test/support/prometheus-text.js';
import type { BatchReport } from '../pipeline/scheduling.js';
import { EngineMeter } from './engine-meter.js';
import { collectWorker, createWorkerMetrics } from './worker-metrics.js';

const MODELS = [
  { name: 'ranker', kind: 'cross-encoder', sha256: 'r' },
  { name: 'embedder', kind: 'embedder', sha256: 'e' },
] as const;

const report = (overrides: Partial<BatchReport> = {}): BatchReport => ({
  model: 'r',
  sequences: [
    { length: 10, priority: 'sync', waitMs: 1 },
    { length: 8, priority: 'sync', waitMs: 3 },
    { length: 6, priority: 'batch', waitMs: 300 },
  ],
  paddedTokens: 30,
  budget: 60,
  runMs: 20,
  startedAt: 0,
  endedAt: 20,
  ...overrides,
});

function start() {
  const metrics = createWorkerMetrics();
  const meter = new EngineMeter(metrics.instruments, MODELS);
  return { metrics, meter, read: async () => parsePrometheus(await metrics.text()) };
}

describe(EngineMeter, () => {
  it('counts nothing before it is started: a warm-up is no work', async () => {
    const { meter, read } = start();
    meter.batchRan(report());
    expect(meter.totals).toEqual({ pairs: 0, batches: 0, tokens: 0, paddedTokens: 0, budgetTokens: 0 });
    expect(sumOf(await read(), 'rerank_fleet_batches_total')).toBe(0);
  });

  it('counts pairs by model and priority, and texts of the embedder apart', async () => {
    const { meter, read } = start();
    meter.start();
    meter.batchRan(report());
    meter.batchRan(report({ model: 'e' }));
    const families = await read();
    expect(sumOf(families, 'rerank_fleet_pairs_scored_total', { model: 'ranker', priority: 'sync' })).toBe(2);
    expect(sumOf(families, 'rerank_fleet_pairs_scored_total', { model: 'ranker', priority: 'batch' })).toBe(1);
    expect(sumOf(families, 'rerank_fleet_pairs_scored_total')).toBe(3);
    expect(sumOf(families, 'rerank_fleet_texts_embedded_total', { model: 'embedder' })).toBe(3);
    expect(meter.totals).toEqual({ pairs: 3, batches: 2, tokens: 48, paddedTokens: 60, budgetTokens: 120 });
  });

  it('takes the speed from well-filled batches of rerankers, and only when enough of them have run', () => {
    const { meter } = start();
    meter.start();
    const full = (runMs: number, overrides: Partial<BatchReport> = {}) => meter.batchRan(report({ paddedTokens: 30, runMs, ...overrides }));
    full(499);
    full(5_000, { model: 'e' });
    full(5_000, { paddedTokens: 29 });
    expect(meter.totals.tokensPerS).toBeUndefined();
    full(24);
    expect(meter.totals.tokensPerS).toBeCloseTo((1_000 * (24 * 0.98 + 24)) / (499 * 0.98 + 24));
    for (let run = 0; run < 500; run += 1) full(24);
    expect(meter.totals.tokensPerS).toBeCloseTo(1_000, 0);
  });

  it('tells fill, padding waste, waits and time in the model', async () => {
    const { meter, read } = start();
    meter.start();
    meter.batchRan(report());
    meter.batchRan(report({ paddedTokens: 24, runMs: 10, endedAt: 10 }));
    const families = await read();
    expect(sumOf(families, 'rerank_fleet_batch_fill_ratio_sum')).toBeCloseTo(0.9);
    expect(sumOf(families, 'rerank_fleet_padding_waste_ratio')).toBeCloseTo(1 - 48 / 54);
    expect(sumOf(families, 'rerank_fleet_planner_wait_seconds_sum')).toBeCloseTo(0.608);
    expect(sumOf(families, 'rerank_fleet_planner_wait_seconds_bucket', { le: '0.004', priority: 'sync' })).toBe(4);
    expect(sumOf(families, 'rerank_fleet_model_run_seconds_sum')).toBeCloseTo(0.03);
  });
});

describe(`${EngineMeter.name} of a batch that a thread took ahead`, () => {
  it('counts the time behind the batch before as a wait, and not as a run', async () => {
    const { meter, read } = start();
    meter.start();
    meter.batchRan(report({ startedAt: 5, endedAt: 85, runMs: 20 }));
    const families = await read();
    expect(sumOf(families, 'rerank_fleet_planner_wait_seconds_sum', { priority: 'sync' })).toBeCloseTo(0.124);
    expect(sumOf(families, 'rerank_fleet_model_run_seconds_sum')).toBeCloseTo(0.02);
  });
});

describe(collectWorker, () => {
  it('tells the budget of each model as it is now', async () => {
    const { metrics, read } = start();
    let budget = 1_024;
    const engine = () => ({
      max_batch_tokens: budget,
      sessions: 2,
      intra_op_threads: 4,
      tuned: true,
      models: [
        {
          name: 'ranker',
          max_batch_tokens: budget,
          tuned: true,
          segments: [
            { layers: '1-2', max_batch_tokens: budget / 2, tuned: true },
            { layers: '3-4', max_batch_tokens: budget, tuned: true },
          ],
        },
        { name: 'embedder', max_batch_tokens: 512, tuned: false },
      ],
    });
    collectWorker(metrics, { models: ['ranker', 'embedder'], engine, pairsWaiting: () => 7, cacheEntries: () => 3 });
    await read();
    budget = 256;
    const families = await read();
    const value = (name: string, model: string) => sumOf(families, `rerank_fleet_engine_${name}`, { model });
    expect([value('batch_budget_tokens', 'ranker'), value('tuned', 'ranker')]).toEqual([256, 1]);
    expect([value('batch_budget_tokens', 'embedder'), value('tuned', 'embedder')]).toEqual([512, 0]);
    const ofSegment = (layers: string) => sumOf(families, 'rerank_fleet_engine_segment_batch_budget_tokens', { model: 'ranker', layers });
    expect([ofSegment('1-2'), ofSegment('3-4')]).toEqual([128, 256]);
    expect([value('sessions', 'embedder'), value('session_threads', 'embedder')]).toEqual([2, 4]);
    expect([sumOf(families, 'rerank_fleet_planner_pairs_waiting'), sumOf(families, 'rerank_fleet_score_cache_entries')]).toEqual([7, 3]);
  });
});
