import { describe, expect, it } from 'vitest';
import { WorkerStats } from './worker-stats.js';

const TOTALS = { pairs: 0, batches: 0, tokens: 0, paddedTokens: 0, budgetTokens: 0 };

function start() {
  const state = { now: 0, totals: TOTALS };
  const stats = new WorkerStats({
    totals: () => state.totals,
    cache: () => ({ hits: 3, misses: 1 }),
    pairsWaiting: () => 5,
    now: () => state.now,
  });
  return { state, stats };
}

describe(WorkerStats, () => {
  it('says zero of a worker that has done nothing', () => {
    expect(start().stats.read()).toEqual({
      pairs_scored: 0,
      batches: 0,
      padding_waste: 0,
      batch_fill: 0,
      pairs_per_s: 0,
      pairs_waiting: 5,
      cache_hits: 3,
      cache_misses: 1,
    });
  });

  it('says how full batches were and how much of them was padding', () => {
    const { state, stats } = start();
    state.totals = { pairs: 10, batches: 2, tokens: 80, paddedTokens: 100, budgetTokens: 400 };
    expect(stats.read()).toMatchObject({ pairs_scored: 10, batches: 2, padding_waste: expect.closeTo(0.2) as number, batch_fill: 0.25 });
  });

  it('says how fast it is where that has been measured, over all its sessions', () => {
    const totals = () => ({ ...TOTALS, tokensPerS: 2_000 });
    const stats = new WorkerStats({ totals, cache: () => ({ hits: 0, misses: 0 }), pairsWaiting: () => 0, sessions: () => 3 });
    expect(stats.read().tokens_per_s).toBe(6_000);
    expect(start().stats.read()).not.toHaveProperty('tokens_per_s');
  });

  it('takes the rate over the last half minute, not over its life', () => {
    const { state, stats } = start();
    const beat = (seconds: number, pairs: number): number => {
      state.now = seconds * 1_000;
      state.totals = { ...TOTALS, pairs };
      return stats.read().pairs_per_s ?? Number.NaN;
    };
    expect(beat(5, 500)).toBe(100);
    expect(beat(10, 1_000)).toBe(100);
    const idle = Array.from({ length: 8 }, (_, index) => beat(15 + index * 5, 1_000));
    expect(idle[0]).toBeCloseTo(66.7, 1);
    expect(idle.at(-1)).toBe(0);
    expect(beat(55, 1_300)).toBe(10);
  });
});
