import { RerankError } from '@rerank-fleet/core/errors';
import type { CrossEncoder, PairRequest, PairScore, PairScores } from '@rerank-fleet/core/ports';
import { describe, expect, it, vi } from 'vitest';
import { CachingCrossEncoder, type CacheStats, type CacheTier, type SharedScoreCache } from './caching-cross-encoder.js';
import { PassageFault } from './point-at-request.js';

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

/** What workers share, in this process' memory. */
class MapTier implements SharedScoreCache {
  readonly scores = new Map<string, PairScore>();
  readonly asked: (readonly string[])[] = [];

  getMany(keys: readonly string[]): Promise<readonly (PairScore | undefined)[]> {
    this.asked.push(keys);
    return Promise.resolve(keys.map((key) => this.scores.get(key)));
  }

  setMany(entries: readonly (readonly [string, PairScore])[]): void {
    for (const [key, score] of entries) this.scores.set(key, score);
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
    const cached = new CachingCrossEncoder(scorer, { memory: new Map() });
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
    const cached = new CachingCrossEncoder(scorer, { memory: new Map() });
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
    const cached = new CachingCrossEncoder(scorer, { memory: new Map() });
    await cached.score(request());
    await cached.score(request(difference));
    expect(scorer.asked).toHaveLength(2);
  });

  it('never answers for another file of the model', async () => {
    const cache = new Map();
    const other = new LengthScorer('b');
    await new CachingCrossEncoder(new LengthScorer('a'), { memory: cache }).score(request());
    await new CachingCrossEncoder(other, { memory: cache }).score(request());
    expect(other.asked).toHaveLength(1);
  });

  it('never answers for another variant of the model, as on another device', async () => {
    const memory = new Map();
    const other = new LengthScorer();
    await new CachingCrossEncoder(new LengthScorer(), { memory, variant: 'cpu' }).score(request());
    await new CachingCrossEncoder(other, { memory, variant: 'cuda' }).score(request());
    expect(other.asked).toHaveLength(1);
  });

  it('asks the shared tier for what memory lacks, keeps what it tells, and hands it what was scored', async () => {
    const shared = new MapTier();
    await new CachingCrossEncoder(new LengthScorer(), { shared }).score(request({ passages: ['a', 'bb'] }));
    const scorer = new LengthScorer();
    const looked: unknown[] = [];
    const observer = { lookedUp: (tier: CacheTier, counts: CacheStats) => looked.push([tier, counts]) };
    const cached = new CachingCrossEncoder(scorer, { memory: new Map(), shared, observer });
    expect(await logits(cached.score(request({ passages: ['bb', 'ccc', 'a'] })))).toEqual([102, 103, 101]);
    expect(await logits(cached.score(request({ passages: ['a', 'dddd'] })))).toEqual([101, 104]);
    expect(scorer.asked).toEqual([['ccc'], ['dddd']]);
    expect(shared.scores.size).toBe(4);
    expect(shared.asked.map((keys) => keys.length)).toEqual([2, 3, 1]);
    expect(looked).toEqual([
      ['memory', { hits: 0, misses: 3 }],
      ['redis', { hits: 2, misses: 1 }],
      ['memory', { hits: 1, misses: 1 }],
      ['redis', { hits: 0, misses: 1 }],
    ]);
    expect(cached.stats).toEqual({ hits: 3, misses: 2 });
  });

  it('hands the shared tier digests only', async () => {
    const shared = new MapTier();
    await new CachingCrossEncoder(new LengthScorer(), { shared }).score(request({ query: 'secret', passages: ['secret passage'] }));
    for (const key of shared.scores.keys()) expect(key).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  });

  it('keeps nothing of a request that does not ask for it', async () => {
    const cache = new Map();
    const { cacheFor: _, ...uncached } = request();
    await new CachingCrossEncoder(new LengthScorer(), { memory: cache }).score(uncached);
    expect(cache.size).toBe(0);
  });

  it('names a document that is too long by its place in the request, though others came from the cache', async () => {
    const errors = [{ pointer: '/documents/1', detail: 'has more than 5 tokens' }];
    const scorer = new LengthScorer();
    const cached = new CachingCrossEncoder(scorer, { memory: new Map() });
    await cached.score(request());
    scorer.score = () => Promise.reject(new RerankError('pair_too_long', 'Document 1 has more than 5 tokens.', { errors }));
    await expect(cached.score(request({ passages: ['a', 'dddd', 'bb', 'eeeeee'] }))).rejects.toMatchObject({
      code: 'pair_too_long',
      detail: expect.stringContaining('Document 3 ') as string,
      errors: [{ pointer: '/documents/3' }],
    });
    await expect(cached.score(request({ passages: ['dddd', 'eeeeee'] }))).rejects.toMatchObject({ errors });
  });

  it('names a document that the model fails on by its place in the request, too', async () => {
    const scorer = new LengthScorer();
    const cached = new CachingCrossEncoder(scorer, { memory: new Map() });
    await cached.score(request());
    scorer.score = () => Promise.reject(new PassageFault(1, new RerankError('score_not_finite', 'No number.')));
    await expect(cached.score(request({ passages: ['a', 'dddd', 'bb', 'eeeeee'] }))).rejects.toMatchObject({
      code: 'score_not_finite',
      passage: 3,
      detail: 'Document 3: No number.',
      errors: [{ pointer: '/documents/3', detail: 'No number.' }],
    });
  });

  it.each([
    ['a prediction', { exitLayer: 3 }],
    ['the best of the windows that stayed', { partial: true as const }],
  ])('keeps no score that is %s', async (_, kind) => {
    const scorer = new LengthScorer();
    const [memory, shared] = [new Map<string, PairScore>(), new MapTier()];
    const cached = new CachingCrossEncoder(scorer, { memory, shared });
    const full = scorer.score.bind(scorer);
    scorer.score = async (asked) => {
      const { scores, ...rest } = await full(asked);
      return { ...rest, scores: scores.map((score, at) => (at === 1 ? { ...score, ...kind } : score)) };
    };
    const { scores } = await cached.score(request({ exit: { effort: 'fast', atLeast: 1 } }));
    expect(scores[1]).toMatchObject(kind);
    expect([...memory.values(), ...shared.scores.values()].map(({ tokens }) => tokens)).toEqual([1, 3, 1, 3]);
    scorer.score = full;
    expect((await cached.score(request())).scores[1]).toEqual({ logit: 102, tokens: 2, truncated: false });
    expect(scorer.asked.at(-1)).toEqual(['bb']);
  });

  it.each([
    [
      'of their groups',
      { groups: ['x', 'y', 'x'] },
      {
        groups: ['y'],
        known: [
          { logit: 101, group: 'x' },
          { logit: 103, group: 'x' },
        ],
      },
    ],
    ['of their own', {}, { known: [{ logit: 101 }, { logit: 103 }] }],
  ])('tells of the scores that it knows, as results %s', async (_, groups, told) => {
    const scorer = new LengthScorer();
    const cached = new CachingCrossEncoder(scorer, { memory: new Map() });
    await cached.score(request({ passages: ['a', 'ccc'] }));
    const scored = vi.spyOn(scorer, 'score');
    await cached.score(request({ exit: { effort: 'fast', atLeast: 1, ...groups } }));
    expect(scored.mock.calls[0]?.[0]).toMatchObject({ passages: ['bb'], exit: { effort: 'fast', atLeast: 1, ...told } });
  });

  it.each([
    [false, 'few_candidates'],
    [true, 'deterministic'],
  ])('tells that all layers ran for what it knows, where less was asked for (deterministic: %s)', async (deterministic, reason) => {
    const cached = new CachingCrossEncoder(new LengthScorer(), { memory: new Map() });
    await cached.score(request({ deterministic }));
    expect((await cached.score(request({ deterministic }))).fullReason).toBeUndefined();
    expect((await cached.score(request({ deterministic, exit: { effort: 'fast', atLeast: 1 } }))).fullReason).toBe(reason);
  });

  it('keeps nothing of a request that failed', async () => {
    const cache = new Map();
    const failing: CrossEncoder = { name: 'x', sha256: 'x', score: () => Promise.reject(new Error('no')) };
    await expect(new CachingCrossEncoder(failing, { memory: cache }).score(request())).rejects.toThrow('no');
    expect(cache.size).toBe(0);
  });
});
