import type { WorkerBody } from '@rerank-fleet/client';
import { describe, expect, it } from 'vitest';
import { renderWorkers } from './render-workers.js';

const WORKER: WorkerBody = {
  id: 'host-12-abcdef01',
  pool: 'default',
  state: 'ready',
  device: 'cpu',
  models: [],
  engine: { max_batch_tokens: 1_024, sessions: 2, intra_op_threads: 1, tuned: true },
  started_at: 5,
  heartbeat_age_ms: 3_400,
  rss_bytes: 524_288_000,
  pairs_per_s: 1_234.4,
  batch_fill: 0.876,
  padding_waste: 0.031,
  cache_hit_rate: 0.5,
};

const lines = (...workers: WorkerBody[]): string[] => renderWorkers(workers, 120).split('\n');

describe(renderWorkers, () => {
  it('shows the engine of a worker, its speed and how well its batches are filled', () => {
    const [titles, row] = lines(WORKER);
    expect(titles?.split(/ {2,}/)).toEqual(['worker', 'pool', 'engine', 'pairs/s', 'fill', 'padding', 'cache', 'memory', 'seen']);
    expect(row?.split(/ {2,}/)).toEqual([
      'host-12-abcdef01',
      'default',
      'cpu 2x1 1,024 tuned',
      '1,234',
      '88 %',
      '3 %',
      '50 %',
      '500 MiB',
      '3 s ago',
    ]);
  });

  it('says which engine was not tuned and which worker drains', () => {
    const [, row] = lines({
      ...WORKER,
      state: 'draining',
      engine: { max_batch_tokens: 16_384, sessions: 1, intra_op_threads: 8, tuned: false },
    });
    expect(row).toContain('cpu 1x8 16,384  ');
    expect(row).toMatch(/draining$/);
  });

  it('shows the budgets of segments where they are others than that of the model', () => {
    const withSegments = (...budgets: number[]): string | undefined => {
      const segments = budgets.map((max_batch_tokens, at) => ({ layers: `${at + 1}-${at + 1}`, max_batch_tokens, tuned: true }));
      const models = [{ name: 'ranker', max_batch_tokens: 512, tuned: true, segments }];
      const engine = { max_batch_tokens: 512, sessions: 2, intra_op_threads: 1, tuned: true, models };
      return renderWorkers([{ ...WORKER, engine }], 200)
        .split('\n')[1]
        ?.split(/ {2,}/)[2];
    };
    expect(withSegments(512, 1_024, 256)).toBe('cpu 2x1 512 tuned, segments 512/1,024/256');
    expect(withSegments(512, 512)).toBe('cpu 2x1 512 tuned');
  });

  it('leaves out what a worker does not tell', () => {
    const [, row] = lines({ id: 'old', pool: 'p', state: 'ready', device: 'cuda', models: [], started_at: 0 });
    expect(row?.trim().split(/ +/)).toEqual(['old', 'p', 'cuda']);
  });
});
