import { createLogger } from '@rerank-fleet/core/observability';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EngineBudgets } from './engine-budgets.js';
import { MemoryBound } from './tuning-cache.js';

const log = createLogger({ level: 'silent', process: 'test' });
const bound = new MemoryBound('nowhere', { model: 'cut', hardware: { device: 'cpu', name: 'a CPU', cores: 1 }, memoryBytes: 1 });

function start() {
  const write = vi.spyOn(bound, 'write').mockResolvedValue();
  const segments = [
    { layers: '1-2', maxBatchTokens: 1_024, tuned: true },
    { layers: '3-4', maxBatchTokens: 512, tuned: false },
  ];
  const cut = { sha256: 'cut', name: 'ranker', maxBatchTokens: 512, tuned: true, bound, segments };
  const whole = { sha256: 'whole', name: 'embedder', maxBatchTokens: 256, tuned: false, bound };
  return { budgets: new EngineBudgets({ sessions: 2, intraOpThreads: 1 }, [cut, whole], log), write };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe(EngineBudgets, () => {
  it('has a budget for each segment, and tells it', () => {
    const { budgets } = start();
    expect([budgets.of('cut'), budgets.of('cut', 0), budgets.of('cut', 1), budgets.of('whole')]).toEqual([512, 1_024, 512, 256]);
    expect(budgets.shape.models).toEqual([
      {
        name: 'ranker',
        max_batch_tokens: 512,
        tuned: true,
        segments: [
          { layers: '1-2', max_batch_tokens: 1_024, tuned: true },
          { layers: '3-4', max_batch_tokens: 512, tuned: false },
        ],
      },
      { name: 'embedder', max_batch_tokens: 256, tuned: false },
    ]);
  });

  it('lowers a segment alone, which later starts know nothing of', () => {
    const { budgets, write } = start();
    budgets.lower('cut', 128, 0);
    expect([budgets.of('cut'), budgets.of('cut', 0), budgets.of('cut', 1)]).toEqual([512, 128, 512]);
    expect(write).not.toHaveBeenCalled();
  });

  it('lowers a model for good', () => {
    const { budgets, write } = start();
    budgets.lower('cut', 128);
    expect([budgets.of('cut'), budgets.of('cut', 0)]).toEqual([128, 1_024]);
    expect(write).toHaveBeenCalledExactlyOnceWith(128);
  });
});
