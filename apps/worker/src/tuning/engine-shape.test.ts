import { describe, expect, it } from 'vitest';
import { affordableSplits, budgetCandidates, defaultSplit, splitCandidates } from './engine-shape.js';

const named = (device: 'cpu' | 'cuda' | 'webgpu', cores: number): string[] =>
  splitCandidates(device, cores).map(({ sessions, intraOpThreads }) => `${sessions}x${intraOpThreads}`);

describe('splits worth timing', () => {
  it.each([
    [1, ['1x1']],
    [2, ['2x1', '1x2']],
    [3, ['3x1', '1x3']],
    [4, ['4x1', '1x4', '2x2']],
    [9, ['9x1', '1x9', '4x2']],
  ])('of %i cores start with a session a core and use no more cores than there are', (cores, expected) => {
    expect(named('cpu', cores)).toEqual(expected);
  });

  it.each(['cuda', 'webgpu'] as const)('are one on %s, whatever the cores', (device) => {
    expect(named(device, 64)).toEqual(['1x1']);
  });

  it('are left out when their sessions do not fit into memory beside the others, but for the default', () => {
    const splits = splitCandidates('cpu', 4);
    const afford = (available: number): string[] => affordableSplits(splits, 100, available).map(({ sessions }) => String(sessions));
    expect(afford(10_000)).toEqual(['4', '1', '2']);
    expect(afford(2_000)).toEqual(['4', '1']);
    expect(afford(0)).toEqual(['4']);
  });
});

describe('the default split', () => {
  it('shares the cores out among sessions of the configured width, at least one', () => {
    expect(defaultSplit('cpu', 8, 4)).toEqual({ sessions: 2, intraOpThreads: 4 });
    expect(defaultSplit('cpu', 2, 4)).toEqual({ sessions: 1, intraOpThreads: 4 });
    expect(defaultSplit('cuda', 8)).toEqual({ sessions: 1, intraOpThreads: 1 });
  });
});

describe('budgets worth timing', () => {
  it('are the default and its neighbours, and one more for wide sessions', () => {
    expect(budgetCandidates('cpu', { sessions: 2, intraOpThreads: 1 })).toEqual([512, 1_024, 2_048]);
    expect(budgetCandidates('cpu', { sessions: 1, intraOpThreads: 8 })).toEqual([512, 1_024, 2_048, 4_096]);
    expect(budgetCandidates('cuda', { sessions: 1, intraOpThreads: 1 })).toEqual([4_096, 8_192, 16_384, 32_768]);
  });
});
