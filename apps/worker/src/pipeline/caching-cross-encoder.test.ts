import type { CrossEncoder, PairRequest, PairScores } from '@rerank-fleet/core/ports';
import { describe, expect, it } from 'vitest';
import { CachingCrossEncoder } from './caching-cross-encoder.js';

/** Scores a pair by the lengths of its texts, and remembers what it was asked. */
class LengthScorer implements CrossEncoder {
  readonly name = 'length';
  readonly asked: (readonly string[])[] = [];

  constructor(readonly sha256 = 'a') {}

  score({ query, passages }: PairRequest): Promise<PairScores> {
    this.asked.push(passages);
    const scores = passages.map((passage) => ({ logit: query.length * 100 + passage.length, tokens: passage.length, truncated: false }));
    return Promise.resolve({ scores, timingsMs: { tokenize: 1, score: 2 } });
  }
}

const request = (overrides: Partial<PairRequest> = {}): PairRequest => ({
  query: 'q',
  passages: ['a', 'bb', 'ccc'],
  longDocument: 'truncate',
  deterministic: false,
  priority: 'sync',
  cacheFor: 'acme',
  ...overrides,
});

const logits = async (scores: Promise<PairScores>): Promise<number[]> => (await scores).scores.map(({ logit }) => logit);

describe(CachingCrossEncoder, () => {
  it('scores only what it has not seen, and answers in the order of the request', async () => {
    const scorer = new LengthScorer();
    const cached = new CachingCrossEncoder(scorer, new Map());
    expect(await logits(cached.score(request()))).toEqual([101, 102, 103]);
    expect(await logits(cached.score(request({ passages: ['dddd', 'bb', 'a', 'eeeee'] })))).toEqual([104, 102, 101, 105]);
    expect(scorer.asked).toEqual([
      ['a', 'bb', 'ccc'],
      ['dddd', 'eeeee'],
    ]);
    expect(cached.stats).toEqual({ hits: 2, misses: 5 });
  });

  it('asks nothing when it knows every pair', async () => {
    const scorer = new LengthScorer();
    const cached = new CachingCrossEncoder(scorer, new Map());
    await cached.score(request());
    await cached.score(request());
    expect(scorer.asked).toHaveLength(1);
  });

  it.each([
    ['another tenant', { cacheFor: 'other' }],
    ['another query', { query: 'Q' }],
    ['deterministic scoring', { deterministic: true }],
    ['another way with long documents', { longDocument: 'chunk' as const }],
    ['another limit', { maxPassageTokens: 9 }],
  ])('never answers for %s', async (_, difference) => {
    const scorer = new LengthScorer();
    const cached = new CachingCrossEncoder(scorer, new Map());
    await cached.score(request());
    await cached.score(request(difference));
    expect(scorer.asked).toHaveLength(2);
  });

  it('never answers for another file of the model', async () => {
    const cache = new Map();
    const other = new LengthScorer('b');
    await new CachingCrossEncoder(new LengthScorer('a'), cache).score(request());
    await new CachingCrossEncoder(other, cache).score(request());
    expect(other.asked).toHaveLength(1);
  });

  it('keeps nothing of a request that does not ask for it', async () => {
    const cache = new Map();
    const { cacheFor: _, ...uncached } = request();
    await new CachingCrossEncoder(new LengthScorer(), cache).score(uncached);
    expect(cache.size).toBe(0);
  });

  it('keeps nothing of a request that failed', async () => {
    const cache = new Map();
    const failing: CrossEncoder = { name: 'x', sha256: 'x', score: () => Promise.reject(new Error('no')) };
    await expect(new CachingCrossEncoder(failing, cache).score(request())).rejects.toThrow('no');
    expect(cache.size).toBe(0);
  });
});
