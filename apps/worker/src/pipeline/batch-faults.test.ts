import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { FixedLatencyBatchRunner } from '../../../../test/support/fixed-latency-batch-runner.js';
import { RunnerFault, type PaddedBatch, type TokenSequence } from './batch-runner.js';
import { BatchScheduler } from './batch-scheduler.js';
import type { ScheduledModel, SubmitOptions } from './scheduling.js';
import { TokenBudget } from './token-budget.js';

const MODEL = 'model';
const OTHER = 'other';
const SYNC: SubmitOptions = { priority: 'sync', alone: false };
const sequence = (id: number, length = 8): TokenSequence => ({ ids: new Int32Array(length).fill(id), typeIds: new Uint8Array(length) });
const sequences = (count: number, length = 8): TokenSequence[] => Array.from({ length: count }, (_, index) => sequence(index + 1, length));
const sums = async (rows: Promise<readonly Float32Array[]>): Promise<number[]> => (await rows).map(([score]) => score as number);
const noMemory = (): RunnerFault => new RunnerFault('out-of-memory', 'std::bad_alloc');
const lost = (): RunnerFault => new RunnerFault('thread-lost', 'gone');

interface Faulty {
  readonly fault: (batch: PaddedBatch) => Error | undefined;
  readonly runners?: number;
  readonly model?: Partial<ScheduledModel>;
}

function start({ fault, runners: count = 1, model = {} }: Faulty) {
  const runners = Array.from({ length: count }, () => new FixedLatencyBatchRunner({ latencyMs: 0, fault }));
  const lowered = vi.fn();
  const models = [MODEL, OTHER].map((sha256) => ({ sha256, maxBatchTokens: 256, maxLength: 8, ...model }));
  const scheduler = new BatchScheduler({ models, runners, maxBatchDelayMs: 0, onBudgetLowered: lowered });
  const tokens = (): number[] => runners.flatMap(({ batches }) => batches.map(({ rows }) => rows.length * (rows[0]?.length ?? 0)));
  const run = (work: readonly TokenSequence[], submit = SYNC) => scheduler.run(MODEL, work, submit);
  return { run, scheduler, lowered, tokens, runners };
}

/** A device on which a batch of more padded tokens fails. */
const roomFor =
  (most: number) =>
  ({ batch, sequence: longest }: PaddedBatch): Error | undefined =>
    batch * longest > most ? noMemory() : undefined;

describe('a batch that memory has no room for', () => {
  it('is planned anew under half its size, for good, and no request errs', async () => {
    const { run, lowered, tokens } = start({ fault: roomFor(70) });
    expect(await sums(run(sequences(32)))).toEqual(Array.from({ length: 32 }, (_, index) => (index + 1) * 8));
    expect(lowered.mock.calls).toEqual([
      [MODEL, 128],
      [MODEL, 64],
    ]);
    expect(tokens()).toEqual([256, 128, 64, 64, 64, 64]);
    await run(sequences(32));
    expect(tokens().slice(6)).toEqual([64, 64, 64, 64]);
    expect(lowered).toHaveBeenCalledTimes(2);
  });

  it('leaves the budgets of other models as they are', async () => {
    const { run, scheduler, tokens } = start({ fault: (batch) => (batch.model === MODEL ? roomFor(70)(batch) : undefined) });
    await run(sequences(32));
    const before = tokens().length;
    await scheduler.run(OTHER, sequences(32), SYNC);
    expect(tokens().slice(before)).toEqual([256]);
  });

  it('lowers the budget once where several fail side by side', async () => {
    const { run, lowered } = start({ fault: roomFor(130), runners: 4 });
    expect(await run(sequences(128))).toHaveLength(128);
    expect(lowered).toHaveBeenCalledOnce();
  });

  it('is halved where the budget is that of the longest pair already', async () => {
    const { run, lowered, tokens } = start({ fault: roomFor(20), model: { maxBatchTokens: 64, maxLength: 64 } });
    expect(await run(sequences(8))).toHaveLength(8);
    expect(lowered).not.toHaveBeenCalled();
    expect(tokens()).toEqual([64, 32, 16, 16, 32, 16, 16]);
  });

  it('gives every pair its own score, whatever fits', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 40, max: 300 }),
        fc.integer({ min: 1, max: 3 }),
        async (lengths, room, runners) => {
          const { run } = start({ fault: roomFor(room), runners, model: { maxLength: 40 } });
          const work = lengths.map((length, index) => sequence(index + 1, length));
          expect(await sums(run(work))).toEqual(lengths.map((length, index) => (index + 1) * length));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('errs with out_of_memory for the one pair that does not fit alone either, and for no other', async () => {
    const { run, tokens } = start({ fault: roomFor(70), model: { maxLength: 100 } });
    const bad = run([sequence(1, 100)]);
    const good = sums(run(sequences(4)));
    await expect(bad).rejects.toMatchObject({ code: 'out_of_memory', detail: expect.not.stringContaining('alloc') as string });
    expect(await good).toEqual([8, 16, 24, 32]);
    expect(tokens().filter((padded) => padded === 100)).toHaveLength(2);
  });

  it('counts as such when its buffers cannot be had', async () => {
    const { run, lowered } = start({ fault: ({ batch }) => (batch > 8 ? new RangeError('Array buffer allocation failed') : undefined) });
    expect(await run(sequences(32))).toHaveLength(32);
    expect(lowered).toHaveBeenLastCalledWith(MODEL, 64);
  });

  it('lowers the budget of one segment alone, which the request then runs the whole model for', async () => {
    const { scheduler, lowered } = start({ fault: roomFor(70), model: { segment: 1 } });
    const state = { pages: new Int32Array(1), span: [0, 1, 1, 2] as const };
    const pairs = sequences(32).map((pair) => ({ ...pair, state }));
    await expect(scheduler.submit({ model: MODEL, segment: 1 }, pairs, SYNC).rows).rejects.toMatchObject({ code: 'out_of_memory' });
    expect(lowered.mock.calls).toEqual([[MODEL, 128, 1]]);
  });

  it('is not planned anew for a request that has gone', async () => {
    const controller = new AbortController();
    const { run, scheduler, tokens } = start({
      fault: () => {
        controller.abort(new Error('nobody waits'));
        return noMemory();
      },
    });
    await expect(run(sequences(32), { ...SYNC, signal: controller.signal })).rejects.toThrow('nobody waits');
    expect([scheduler.stats.waiting, tokens()]).toEqual([0, [256]]);
  });
});

describe('a batch whose thread ends', () => {
  it('is tried once more when it is of one pair', async () => {
    let deaths = 1;
    const { run } = start({ fault: () => (deaths-- > 0 ? lost() : undefined) });
    expect(await sums(run([sequence(3)]))).toEqual([24]);
  });

  it('errs for the pair that ends two threads alone, and for no other', async () => {
    const { run, tokens } = start({
      fault: ({ inputIds }) => (inputIds.includes(666n) ? lost() : undefined),
    });
    const bad = run([sequence(666)]);
    const good = sums(run(sequences(3)));
    await expect(bad).rejects.toMatchObject({ code: 'internal_error', detail: expect.stringContaining('thread ended') as string });
    expect(await good).toEqual([8, 16, 24]);
    expect(tokens()).toContain(8);
  });
});

describe('TokenBudget', () => {
  it('falls to half of what did not fit, never below the longest sequence, and never rises', () => {
    const budget = new TokenBudget(1_024, 200);
    expect([budget.lowerBelow(900), budget.tokens]).toEqual([true, 450]);
    expect([budget.lowerBelow(1_024), budget.tokens]).toEqual([false, 450]);
    expect([budget.lowerBelow(100), budget.tokens]).toEqual([true, 200]);
    expect([budget.lowerBelow(50), budget.tokens]).toEqual([false, 200]);
  });

  it('is never lifted to the longest sequence by its start', () => {
    expect(new TokenBudget(64, 512).tokens).toBe(64);
  });
});
