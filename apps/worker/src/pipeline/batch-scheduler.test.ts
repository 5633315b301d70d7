import { RerankError } from '@rerank-fleet/core/errors';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FixedLatencyBatchRunner, type FixedLatencyOptions } from '../../../../test/support/fixed-latency-batch-runner.js';
import type { TokenSequence } from './batch-runner.js';
import { BatchScheduler } from './batch-scheduler.js';
import type { BatchReport, SubmitOptions } from './scheduling.js';

const [LIGHT, HEAVY] = ['light', 'heavy'];
const SYNC: SubmitOptions = { priority: 'sync', alone: false };
const FAILING = 666;

/** `[id, id, …]` of the given length, so that its score is id × length. */
const sequence = (id: number, length = 4): TokenSequence => ({ ids: new Int32Array(length).fill(id), typeIds: new Uint8Array(length) });

function start(options: FixedLatencyOptions & { readonly runners?: number; readonly delayMs?: number; readonly budget?: number } = {}) {
  const runners = Array.from({ length: options.runners ?? 1 }, () => new FixedLatencyBatchRunner(options));
  const models = [LIGHT, HEAVY].map((sha256) => ({ sha256: sha256, maxBatchTokens: options.budget ?? 64 }));
  const scheduler = new BatchScheduler({ models, runners, maxBatchDelayMs: options.delayMs ?? 0 });
  // Another request is on its way for ever, so that a delay is kept.
  scheduler.expect();
  const sizes = (): number[] => runners.flatMap(({ batches }) => batches.map(({ rows }) => rows.length));
  return {
    scheduler,
    runners,
    sizes,
    run: (sequences: readonly TokenSequence[], submit = SYNC, model = LIGHT) => scheduler.run(model, sequences, submit),
  };
}

const scores = async (rows: Promise<readonly Float32Array[]>): Promise<number[]> => (await rows).map(([score]) => score as number);

afterEach(() => {
  vi.useRealTimers();
});

describe('BatchScheduler', () => {
  it('gives each sequence its own output, in the order they came, whatever batches they ran in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 3 }),
        async (lengths, runners) => {
          const { run } = start({ runners, latencyMs: 0 });
          expect(await scores(run(lengths.map((length, index) => sequence(index + 1, length))))).toEqual(
            lengths.map((length, index) => (index + 1) * length),
          );
        },
      ),
      { numRuns: 25 },
    );
  });

  it('lets several requests share a batch', async () => {
    const { run, sizes } = start({ delayMs: 20 });
    const answers = await Promise.all([scores(run([sequence(1), sequence(2)])), scores(run([sequence(3)])), scores(run([sequence(4)]))]);
    expect(answers).toEqual([[4, 8], [12], [16]]);
    expect(sizes()).toEqual([4]);
  });

  it('pads none of the sequences that are as long as its model says', async () => {
    const runner = new FixedLatencyBatchRunner({});
    const scheduler = new BatchScheduler({
      models: [{ sha256: LIGHT, maxBatchTokens: 1_000, separateFrom: 50 }],
      runners: [runner],
      maxBatchDelayMs: 0,
    });
    const lengths = [60, 59, 60, 49, 48];
    await scheduler.run(
      LIGHT,
      lengths.map((length, id) => sequence(id + 1, length)),
      SYNC,
    );
    const ran = runner.batches.map(({ rows }) => rows.map(({ length }) => length).sort((a, b) => b - a));
    expect(ran).toHaveLength(3);
    expect(ran).toEqual(expect.arrayContaining([[60, 60], [59], [49, 48]]));
  });

  it('gives batch work a turn while calls keep coming', async () => {
    const runner = new FixedLatencyBatchRunner({});
    const scheduler = new BatchScheduler({ models: [{ sha256: LIGHT, maxBatchTokens: 4 }], runners: [runner], maxBatchDelayMs: 0 });
    const order: string[] = [];
    const note = (name: string) => () => order.push(name);
    const calls = Array.from({ length: 40 }, (_, n) => scheduler.run(LIGHT, [sequence(n + 1)], SYNC).then(note('sync')));
    const work = scheduler.run(LIGHT, [sequence(99)], { priority: 'batch', alone: false }).then(note('batch'));
    await Promise.all([...calls, work]);
    expect(order.indexOf('batch')).toBeGreaterThan(10);
    expect(order.indexOf('batch')).toBeLessThan(20);
  });

  it('tells what ran, of which budget, and for whom', async () => {
    const reports: BatchReport[] = [];
    const scheduler = new BatchScheduler({
      models: [{ sha256: LIGHT, maxBatchTokens: 64 }],
      runners: [new FixedLatencyBatchRunner({ latencyMs: 3, failingId: 99 })],
      maxBatchDelayMs: 0,
      observer: { batchRan: (report) => reports.push(report) },
    });
    await expect(scheduler.run(LIGHT, [sequence(1, 5), sequence(2, 4), sequence(99, 4)], SYNC)).rejects.toThrow();
    await vi.waitFor(() => expect(reports.flatMap(({ sequences }) => sequences)).toHaveLength(2));
    expect(reports[0]).toMatchObject({ model: LIGHT, budget: 64, runMs: 3, paddedTokens: expect.any(Number) as number });
    expect(reports.flatMap(({ sequences }) => sequences.map(({ length, priority }) => [length, priority]))).toEqual(
      expect.arrayContaining([
        [4, 'sync'],
        [5, 'sync'],
      ]),
    );
    expect(reports.every(({ sequences }) => sequences.every(({ waitMs }) => waitMs >= 0))).toBe(true);
  });

  it('does not wait when nothing else is on its way', async () => {
    const runner = new FixedLatencyBatchRunner({});
    const scheduler = new BatchScheduler({
      models: [{ sha256: LIGHT, maxBatchTokens: 64 }],
      runners: [runner],
      maxBatchDelayMs: 3_600_000,
    });
    const arrived = scheduler.expect();
    const row = scheduler.run(LIGHT, [sequence(3)], SYNC);
    arrived();
    arrived();
    expect(await scores(row)).toEqual([12]);
    expect(await scores(scheduler.run(LIGHT, [sequence(4)], SYNC))).toEqual([16]);
  });

  it('waits for batch mates no longer than the delay, and not at all once the batch is full', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { run, sizes } = start({ delayMs: 50, budget: 16 });
    const lone = run([sequence(1)]);
    vi.advanceTimersByTime(49);
    expect(sizes()).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(sizes()).toEqual([1]);
    await vi.runAllTimersAsync();
    await lone;
    const full = run([sequence(1), sequence(2), sequence(3), sequence(4)]);
    expect(sizes()).toEqual([1, 4]);
    await vi.runAllTimersAsync();
    await full;
  });

  it('halves a failing batch until the one bad sequence is found, and errs only for its request', async () => {
    const { run, runners } = start({ delayMs: 20, budget: 1_024, failingId: FAILING });
    const good = scores(run(Array.from({ length: 7 }, (_, index) => sequence(index + 1))));
    const bad = run([sequence(FAILING)]);
    await expect(bad).rejects.toThrow('the model failed');
    expect(await good).toEqual([4, 8, 12, 16, 20, 24, 28]);
    // 8 fails, then its halves: each level runs the bad half and the good one.
    expect(runners[0]?.batches.map(({ rows }) => rows.length)).toEqual([8, 4, 4, 2, 2, 1, 1]);
  });

  it('errs with score_not_finite for the request whose score is no number alone either, and for no other', async () => {
    const { run, sizes } = start({ delayMs: 20, notANumberId: 7 });
    const bad = run([sequence(1), sequence(7)]);
    const good = scores(run([sequence(3)]));
    await expect(bad).rejects.toMatchObject({ code: 'score_not_finite' });
    expect(await good).toEqual([12]);
    expect(sizes()).toEqual([3, 1]);
  });

  it('errs for the one sequence that spoils the scores of its batch, and scores the others without it', async () => {
    const { run, sizes } = start({ delayMs: 20, budget: 1_024, spoilingId: FAILING });
    const good = scores(run(Array.from({ length: 7 }, (_, index) => sequence(index + 1))));
    const bad = run([sequence(FAILING)]);
    await expect(bad).rejects.toMatchObject({ code: 'score_not_finite' });
    expect(await good).toEqual([4, 8, 12, 16, 20, 24, 28]);
    expect(sizes()).toEqual([8, 4, 4, 2, 2, 1, 1]);
  });

  it.each<[string, FixedLatencyOptions]>([
    ['fail', { failingId: FAILING }],
    ['spoil the scores of their batch', { spoilingId: FAILING }],
  ])('errs for each of two sequences that %s, and scores the others', async (_, options) => {
    const { run } = start({ delayMs: 20, budget: 1_024, ...options });
    const good = scores(run([1, 2, 3].map((id) => sequence(id))));
    const bad = [run([sequence(FAILING)]), run([sequence(FAILING)])];
    const more = scores(run([4, 5, 6].map((id) => sequence(id))));
    expect((await Promise.allSettled(bad)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect([await good, await more]).toEqual([
      [4, 8, 12],
      [16, 20, 24],
    ]);
  });

  it.each<[string, FixedLatencyOptions]>([
    ['fails', { fault: ({ inputIds }) => (inputIds.includes(BigInt(FAILING)) ? new RerankError('internal_error', 'no') : undefined) }],
    ['has no number for a score', { notANumberId: FAILING }],
  ])('says which sequence of a call %s', async (_, options) => {
    const { run } = start({ budget: 1_024, ...options });
    await expect(run([1, 2, 3, FAILING, 5].map((id) => sequence(id)))).rejects.toMatchObject({ sequence: 3 });
  });

  it('runs no half of a failed batch whose requests have ended meanwhile', async () => {
    const { run, sizes } = start({ delayMs: 20, budget: 1_024, failingId: FAILING });
    await expect(run([FAILING, 1, 2, 3].map((id) => sequence(id)))).rejects.toThrow('the model failed');
    await run([sequence(4)]);
    expect(sizes()).toEqual([4, 2, 1, 1, 1]);
  });

  it('drops what is not yet in a batch when the signal aborts', async () => {
    const { run, scheduler, runners } = start({ budget: 8, latencyMs: 10 });
    const controller = new AbortController();
    const many = run(
      Array.from({ length: 10 }, (_, index) => sequence(index + 1)),
      { ...SYNC, signal: controller.signal },
    );
    expect(scheduler.stats.waiting).toBe(8);
    controller.abort(new Error('nobody waits'));
    await expect(many).rejects.toThrow('nobody waits');
    expect(scheduler.stats.waiting).toBe(0);
    expect(await scores(run([sequence(50)]))).toEqual([200]);
    expect(runners[0]?.batches).toHaveLength(2);
  });

  it('runs nothing for a signal that is aborted already', async () => {
    const { run, sizes } = start();
    await expect(run([sequence(1)], { ...SYNC, signal: AbortSignal.abort(new Error('late')) })).rejects.toThrow('late');
    expect(sizes()).toEqual([]);
  });

  it('drops the rest of a request when one of its sequences fails', async () => {
    const { run, scheduler, sizes } = start({ budget: 4, failingId: FAILING });
    await expect(run([sequence(FAILING), sequence(1), sequence(2), sequence(3)])).rejects.toThrow('the model failed');
    expect(scheduler.stats.waiting).toBe(0);
    expect(sizes().length).toBeLessThan(4);
  });

  it('never mixes two models in a batch', async () => {
    const { run, runners } = start({ delayMs: 5 });
    const answers = await Promise.all([
      scores(run([sequence(1)], SYNC, LIGHT)),
      scores(run([sequence(2)], SYNC, HEAVY)),
      scores(run([sequence(3)], SYNC, LIGHT)),
    ]);
    expect(answers).toEqual([[4], [8], [12]]);
    const batches = runners[0]?.batches ?? [];
    expect(batches.map(({ model, rows }) => [model, rows.map(([id]) => id)])).toEqual([
      [LIGHT, [1, 3]],
      [HEAVY, [2]],
    ]);
  });

  it('refuses a model that it does not hold', async () => {
    await expect(start().scheduler.run('unknown', [sequence(1)], SYNC)).rejects.toMatchObject({ code: 'model_unavailable' });
  });

  it('runs one sequence a batch where the request wants it alone', async () => {
    const { run, sizes } = start();
    const alone = run([sequence(1), sequence(2), sequence(3)], { ...SYNC, alone: true });
    const together = run([sequence(4), sequence(5)]);
    expect([await scores(alone), await scores(together)]).toEqual([
      [4, 8, 12],
      [16, 20],
    ]);
    expect(sizes()).toEqual([1, 1, 1, 2]);
  });

  it('takes sync work before batch work of any model', async () => {
    const { run, runners } = start({ budget: 4 });
    const first = run([sequence(1), sequence(2)], { priority: 'batch', alone: false }, LIGHT);
    const second = run([sequence(3)], SYNC, HEAVY);
    await Promise.all([first, second]);
    expect(runners[0]?.batches.map(({ rows }) => rows[0]?.[0])).toEqual([1, 3, 2]);
  });

  it('shares little work out among idle runners', async () => {
    const { run, runners } = start({ runners: 2, budget: 1_024 });
    await run([sequence(1), sequence(2), sequence(3), sequence(4)]);
    expect(runners.map(({ batches }) => batches.map(({ rows }) => rows.length))).toEqual([[2], [2]]);
  });

  it('has idle runners end a request together', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 10, max: 60 }), { minLength: 12, maxLength: 60 }), async (lengths) => {
        const { run, runners } = start({ runners: 2, budget: 256, latencyMs: ({ batch, sequence: length }) => batch * length });
        const began = performance.now();
        const scored = run(lengths.map((length, id) => sequence(id, length))).then(() => performance.now());
        await vi.runAllTimersAsync();
        const padded = runners
          .flatMap(({ batches }) => batches)
          .map(({ rows }) => rows.length * Math.max(...rows.map((row) => row.length)));
        const level = padded.reduce((sum, tokens) => sum + tokens, 0) / 2;
        expect((await scored) - began).toBeLessThanOrEqual(level + 60);
      }),
      { numRuns: 50 },
    );
  });

  it('ends calls in the order they came, none late for the sake of another', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const latencyMs: FixedLatencyOptions['latencyMs'] = ({ batch, sequence: length }) => batch * length;
    const { run } = start({ runners: 2, budget: 256, latencyMs });
    const ends: number[] = [];
    const call = async (offset: number): Promise<void> => {
      await run(Array.from({ length: 20 }, (_, id) => sequence(id, 20 + offset + id)));
      ends[offset] = performance.now();
    };
    const began = performance.now();
    const calls = Array.from({ length: 6 }, (_, offset) => call(offset));
    await vi.runAllTimersAsync();
    await Promise.all(calls);
    const work = Array.from({ length: 6 }, (_, offset) => (20 * (30 + offset)) / 2);
    let due = began;
    for (const [offset, ms] of work.entries()) {
      due += ms;
      // What rounding, padding and pairs of the next call cost; all six would take 1,950 ms.
      expect(ends[offset]! - due).toBeLessThan(200);
    }
  });

  it('counts batches, sequences, tokens and padding', async () => {
    const { run, scheduler } = start({ delayMs: 5, budget: 1_024 });
    await run([sequence(1, 10), sequence(2, 9)]);
    expect(scheduler.stats).toMatchObject({ batches: 1, sequences: 2, tokens: 19, paddedTokens: 20, waiting: 0 });
  });

  it('answers nothing for nothing', async () => {
    expect(await start().run([])).toEqual([]);
  });
});
