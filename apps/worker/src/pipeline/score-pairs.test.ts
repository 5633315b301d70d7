import { RerankError } from '@rerank-fleet/core/errors';
import type { PairRequest } from '@rerank-fleet/core/ports';
import { describe, expect, it, vi } from 'vitest';
import { FixedLatencyBatchRunner, type FixedLatencyOptions } from '../../../../test/support/fixed-latency-batch-runner.js';
import { BatchScheduler } from './batch-scheduler.js';
import { PairScorer, type PairScorerParts } from './score-pairs.js';
import type { EncodedPairs, EncodePairsRequest, SequenceEncoder, TextWorkOptions } from './sequence-encoder.js';

const MODEL = { name: 'fixed', sha256: 'a' };

/** A token is a digit of the passage; each call ends when the test says so. */
class DigitEncoder implements Pick<SequenceEncoder, 'encodePairs'> {
  readonly calls: { readonly passages: readonly string[]; readonly answer: () => void; readonly fail: (error: Error) => void }[] = [];
  readonly signals: (AbortSignal | undefined)[] = [];

  encodePairs(_: string, { passages }: EncodePairsRequest, options?: TextWorkOptions): Promise<EncodedPairs> {
    this.signals.push(options?.signal);
    return new Promise((resolve, reject) => {
      this.calls.push({ passages, answer: () => resolve(encode(passages)), fail: reject });
    });
  }
}

function encode(passages: readonly string[]): EncodedPairs {
  const ids = Int32Array.from(passages.join(''), Number);
  const lengths = Int32Array.from(passages, ({ length }) => length);
  return { ids, typeIds: new Uint8Array(ids.length), lengths, truncated: new Uint8Array(passages.length) };
}

function start(
  options: FixedLatencyOptions & { readonly budget?: number; readonly runners?: number } = {},
  more: Partial<PairScorerParts> = {},
) {
  const { budget = 4, runners: count = 1 } = options;
  const runners = Array.from({ length: count }, () => new FixedLatencyBatchRunner(options));
  const scheduler = new BatchScheduler({ models: [{ sha256: 'a', maxBatchTokens: budget }], runners, maxBatchDelayMs: 3_600_000 });
  const encoder = new DigitEncoder();
  const scorer = new PairScorer(MODEL, { encoder: encoder as unknown as SequenceEncoder, scheduler, ...more });
  return { scorer, encoder, scheduler, ran: () => runners.flatMap(({ batches }) => batches).length };
}

/** Sums of digits: 1, 22 → 4, … */
const PASSAGES = ['1', '22', '33333333', '4444', '5', '66'];
const SUMS = [1, 4, 24, 16, 5, 12];

const request = (overrides: Partial<PairRequest> = {}): PairRequest => ({
  query: 'qqqq',
  passages: PASSAGES,
  longDocument: 'truncate',
  deterministic: false,
  priority: 'sync',
  ...overrides,
});

const logits = async (scored: ReturnType<PairScorer['score']>): Promise<number[]> => (await scored).scores.map(({ logit }) => logit);

describe(PairScorer, () => {
  it('begins with the longest passages while the others are tokenized, and answers in the order of the request', async () => {
    const { scorer, encoder, ran } = start();
    const scored = logits(scorer.score(request()));
    expect(encoder.calls.map(({ passages }) => passages)).toEqual([['33333333'], ['4444', '22', '66', '1', '5']]);
    encoder.calls[0]!.answer();
    await vi.waitFor(() => expect(ran()).toBeGreaterThan(0));
    encoder.calls[1]!.answer();
    expect(await scored).toEqual(SUMS);
  });

  it('answers in order when the others are tokenized first', async () => {
    const { scorer, encoder } = start({ runners: 2, budget: 2 });
    const scored = logits(scorer.score(request()));
    encoder.calls[1]!.answer();
    await new Promise(setImmediate);
    encoder.calls[0]!.answer();
    expect(await scored).toEqual(SUMS);
  });

  it.each([
    ['may have to refuse one of them', { longDocument: 'error' as const }],
    ['may cut one of them into windows', { longDocument: 'chunk' as const }],
    ['runs each alone', { deterministic: true }],
    ['has few of them', { passages: ['33333333'] }],
    ['has no more of them than idle threads take at once', { passages: ['33333333', '1'] }],
  ])('tokenizes passages at once where it %s', async (_, overrides) => {
    const { scorer, encoder } = start();
    const scored = scorer.score(request(overrides));
    expect(encoder.calls).toHaveLength(1);
    encoder.calls[0]!.answer();
    expect((await scored).scores).toHaveLength(encoder.calls[0]!.passages.length);
  });

  it('tokenizes passages at once while every thread is busy', async () => {
    const { scorer, encoder, scheduler } = start({ latencyMs: 20 });
    const busy = scheduler.run('a', [{ ids: Int32Array.of(1), typeIds: new Uint8Array(1) }], { priority: 'sync', alone: false });
    const scored = logits(scorer.score(request()));
    expect(encoder.calls).toHaveLength(1);
    encoder.calls[0]!.answer();
    expect(await scored).toEqual(SUMS);
    await busy;
  });

  it.each([0, 1])('ends the other part when part %i fails', async (failing) => {
    const { scorer, encoder, scheduler, ran } = start({ latencyMs: 1_000 });
    const scored = scorer.score(request());
    scored.catch(() => undefined);
    encoder.calls[1 - failing]!.answer();
    await vi.waitFor(() => expect(ran()).toBe(1));
    encoder.calls[failing]!.fail(new RerankError('query_too_long', 'too long'));
    await expect(scored).rejects.toMatchObject({ code: 'query_too_long' });
    expect(scheduler.stats.waiting).toBe(0);
    expect(encoder.signals.every((signal) => signal?.aborted)).toBe(true);
  });

  it.each([
    ['the part that runs first', 2],
    ['the part that is tokenized meanwhile', 4],
  ])('says which document has no number for a score, in %s', async (_, bad) => {
    const { scorer, encoder } = start({ notANumberId: 9 });
    const passages = PASSAGES.with(bad, PASSAGES[bad]!.replace(/.$/, '9'));
    const scored = scorer.score(request({ passages }));
    scored.catch(() => undefined);
    for (const { answer } of encoder.calls) answer();
    await expect(scored).rejects.toMatchObject({
      code: 'score_not_finite',
      passage: bad,
      detail: expect.stringMatching(`^Document ${bad}: `) as string,
      errors: [{ pointer: `/documents/${bad}` }],
    });
  });

  it('ends both parts when nobody waits any more', async () => {
    const { scorer, encoder, scheduler } = start({ latencyMs: 1_000 });
    const controller = new AbortController();
    const scored = scorer.score(request({ signal: controller.signal }));
    scored.catch(() => undefined);
    for (const { answer } of encoder.calls) answer();
    await new Promise(setImmediate);
    controller.abort(new Error('nobody waits'));
    await expect(scored).rejects.toThrow('nobody waits');
    expect(scheduler.stats.waiting).toBe(0);
  });

  it('keeps the place of a request whose later passages come after those of the next', async () => {
    const { scorer, encoder, scheduler } = start({ latencyMs: 5, budget: 2 });
    const order: string[] = [];
    const first = scorer.score(request()).then(() => order.push('first'));
    encoder.calls[0]!.answer();
    await new Promise(setImmediate);
    const sequences = Array.from({ length: 4 }, () => ({ ids: Int32Array.of(1, 1), typeIds: new Uint8Array(2) }));
    const second = scheduler.run('a', sequences, { priority: 'sync', alone: false }).then(() => order.push('second'));
    encoder.calls[1]!.answer();
    await Promise.all([first, second]);
    expect(order).toEqual(['first', 'second']);
  });

  it.each([
    ['model_not_cut', false],
    ['deterministic', true],
  ])('tells of a request that would let pairs leave a model that is not cut: %s', async (reason, deterministic) => {
    const ranFull = vi.fn();
    const { scorer, encoder } = start({}, { exitObserver: { ranFull } });
    const scored = scorer.score(request({ passages: ['1'], deterministic, exit: { effort: 'balanced', atLeast: 1 } }));
    encoder.calls[0]!.answer();
    expect((await scored).fullReason).toBe(reason);
    expect(ranFull.mock.calls).toEqual([[{ model: 'a', reason }]]);
  });

  it('tells of no request that lets no pair leave', async () => {
    const ranFull = vi.fn();
    const { scorer, encoder } = start({}, { exitObserver: { ranFull } });
    const scored = scorer.score(request({ passages: ['1'] }));
    encoder.calls[0]!.answer();
    expect((await scored).fullReason).toBeUndefined();
    expect(ranFull).not.toHaveBeenCalled();
  });
});
