import { describe, expect, it } from 'vitest';
import { defaultTokenizerThreads } from './default-tokenizer-threads.js';

describe(defaultTokenizerThreads, () => {
  it.each([1, 2, 64])('is one on a CPU of %i cores', (cores) => {
    expect(defaultTokenizerThreads('cpu', cores)).toBe(1);
  });

  it.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 2],
    [7, 3],
    [8, 4],
    [64, 4],
  ])('beside a GPU, %i cores have %i', (cores, threads) => {
    expect(defaultTokenizerThreads('cuda', cores)).toBe(threads);
    expect(defaultTokenizerThreads('webgpu', cores)).toBe(threads);
  });
});
