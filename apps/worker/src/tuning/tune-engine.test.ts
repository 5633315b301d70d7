import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FixedLatencyBatchRunner } from '../../../../test/support/fixed-latency-batch-runner.js';
import type { PaddedBatch } from '../pipeline/batch-runner.js';
import { measureRates, type MeasureOptions } from './measure-rates.js';
import { tuneEngine, type TuningOptions } from './tune-engine.js';

/** 64 tokens. */
const SAMPLE = { ids: new Int32Array(64).fill(1), typeIds: new Uint8Array(64) };
const PLENTY_MS = 30_000;

type Latency = (batch: PaddedBatch) => number;
const tokens = ({ batch, sequence }: PaddedBatch): number => batch * sequence;
const runnersOf = (count: number, latencyMs: Latency): FixedLatencyBatchRunner[] =>
  Array.from({ length: count }, () => new FixedLatencyBatchRunner({ latencyMs }));
const sizesOf = (runners: readonly FixedLatencyBatchRunner[]): number[] =>
  runners.flatMap(({ batches }) => batches.map(({ rows }) => rows.length * 64));

interface Tuned {
  readonly standard: FixedLatencyBatchRunner[];
  /** Of the split with one wide session. */
  readonly other?: Latency | 'does not load';
  readonly options?: Partial<TuningOptions>;
}

// Rates are of virtual time: a busy machine changes nothing.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

async function inVirtualTime<T>(work: Promise<T>): Promise<T> {
  let running = true;
  const end = (): void => void (running = false);
  work.then(end, end);
  while (running) await vi.advanceTimersToNextTimerAsync();
  return await work;
}

async function tune({ standard, other, options }: Tuned) {
  const closed: number[] = [];
  const record = await inVirtualTime(
    tuneEngine({
      device: 'cpu',
      model: 'model',
      modelBytes: 1,
      sample: SAMPLE,
      splits: [
        { sessions: standard.length, intraOpThreads: 1 },
        ...(other === undefined ? [] : [{ sessions: 1, intraOpThreads: standard.length }]),
      ],
      running: standard,
      start: ({ sessions }) => {
        if (typeof other !== 'function') return Promise.reject(new Error('no memory'));
        return Promise.resolve({ runners: runnersOf(sessions, other), close: () => Promise.resolve(void closed.push(sessions)) });
      },
      loadMs: 0,
      timeoutMs: PLENTY_MS,
      availableBytes: 1_000,
      leastMs: 20,
      ...options,
    }),
  );
  return { record, closed };
}

describe('tuneEngine', () => {
  it('finds the budget at which the model is fastest', async () => {
    // 40 ms whatever the size: the largest batch wins.
    expect((await tune({ standard: runnersOf(1, () => 40) })).record).toMatchObject({ max_batch_tokens: 2_048, tuned: true });
    // Past 600 tokens a batch falls out of the cache.
    const cached = runnersOf(1, (batch) => (tokens(batch) / 64) * (tokens(batch) > 600 ? 10 : 4));
    expect((await tune({ standard: cached })).record).toMatchObject({ max_batch_tokens: 512, tuned: true });
  });

  it('takes the other split where it is faster, and closes what it started', async () => {
    const faster = await tune({ standard: runnersOf(2, () => 60), other: () => 10 });
    expect(faster.record).toMatchObject({ sessions: 1, intra_op_threads: 2 });
    expect(faster.closed).toEqual([1]);
    const slower = await tune({ standard: runnersOf(2, () => 10), other: () => 60 });
    expect(slower.record).toMatchObject({ sessions: 2, intra_op_threads: 1 });
    expect(slower.closed).toEqual([1]);
  });

  it('keeps all runners of a split busy at once', async () => {
    const standard = runnersOf(2, () => 20);
    await tune({ standard });
    const [one, two] = standard.map(({ batches }) => batches.length) as [number, number];
    // The first one also ran the probe.
    expect([one - 1, two]).toEqual([two, two]);
    expect(two).toBeGreaterThan(1);
  });

  it('goes on without a split that does not load', async () => {
    const { record } = await tune({ standard: runnersOf(2, () => 20), other: 'does not load' });
    expect(record).toMatchObject({ sessions: 2, intra_op_threads: 1, tuned: true });
  });

  it('does not start a split that memory has no room for', async () => {
    const { record, closed } = await tune({ standard: runnersOf(2, () => 20), other: () => 1, options: { modelBytes: 400 } });
    expect(record).toMatchObject({ sessions: 2, intra_op_threads: 1 });
    expect(closed).toEqual([]);
  });

  it('does not load another split where loading takes too much of the time', async () => {
    const { record, closed } = await tune({ standard: runnersOf(2, () => 20), other: () => 1, options: { loadMs: PLENTY_MS } });
    expect(record).toMatchObject({ sessions: 2, intra_op_threads: 1, tuned: true });
    expect(closed).toEqual([]);
  });

  it('runs with the defaults when the model is too slow to be timed, and begins nothing that cannot end in time', async () => {
    const standard = runnersOf(1, (batch) => tokens(batch) / 2);
    const begun = performance.now();
    const { record } = await tune({ standard, options: { timeoutMs: 200 } });
    expect(record).toMatchObject({ max_batch_tokens: 1_024, sessions: 1, tuned: false, figures: [] });
    expect(performance.now() - begun).toBeLessThan(200);
    expect(sizesOf(standard)).toEqual([64]);
  });
});

describe('measureRates', () => {
  const options = (more: Partial<MeasureOptions> = {}): MeasureOptions => ({
    model: 'model',
    sample: SAMPLE,
    rounds: 3,
    deadline: performance.now() + PLENTY_MS,
    leastMs: 1,
    ...more,
  });

  it('times candidates in turn', async () => {
    const runners = runnersOf(1, () => 5);
    const budgets = [64, 128, 256];
    const rates = await inVirtualTime(
      measureRates(
        budgets.map((maxBatchTokens) => ({ runners, maxBatchTokens })),
        options(),
      ),
    );
    expect(sizesOf(runners).slice(1)).toEqual([...budgets, ...budgets, ...budgets]);
    expect(rates.map((own) => own.length)).toEqual([3, 3, 3]);
  });

  it('gives tokens per second, summed over the runners', async () => {
    const [[rate = 0] = []] = await inVirtualTime(
      measureRates([{ runners: runnersOf(2, () => 50), maxBatchTokens: 640 }], options({ rounds: 1 })),
    );
    // 2 × 640 tokens in 50 ms.
    expect(rate).toBeCloseTo(25_600, 3);
  });

  it('leaves out a budget that fails, and larger ones on the same runners', async () => {
    const runners = runnersOf(1, (batch) => {
      if (tokens(batch) >= 128) throw new Error('out of memory');
      return 2;
    });
    const rates = await inVirtualTime(
      measureRates(
        [64, 128, 256].map((maxBatchTokens) => ({ runners, maxBatchTokens })),
        options(),
      ),
    );
    expect(rates.map((own) => own.length)).toEqual([3, 0, 0]);
    expect(runners[0]?.batches.filter(({ rows }) => rows.length > 1)).toHaveLength(0);
  });
});
