import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FixedLatencyBatchRunner } from '../../../../test/support/fixed-latency-batch-runner.js';
import type { InferenceModel } from '../inference/inference-messages.js';
import type { PaddedBatch } from '../pipeline/batch-runner.js';
import { tuneModels, type ModelToTune, type TuningJob } from './tune-models.js';

const SAMPLE = { ids: new Int32Array(64).fill(1), typeIds: new Uint8Array(64) };
const [WIDE, NARROW] = [
  { sessions: 1, intraOpThreads: 2 },
  { sessions: 2, intraOpThreads: 1 },
];
const tokens = ({ batch, sequence }: PaddedBatch): number => batch * sequence;

const entry = (sha256: string, more: Partial<ModelToTune> = {}): ModelToTune => ({
  model: { sha256, onnxPath: sha256, output: { kind: 'logit', labelIndex: 0 } },
  modelBytes: 100,
  sample: SAMPLE,
  ...more,
});

interface Behaviour {
  /** Milliseconds of a batch; a wide session takes half of it. */
  readonly latencyMs: (batch: PaddedBatch) => number;
  readonly loadMs?: number;
}

// Rates are of virtual time: a busy machine changes nothing.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function tune(job: Partial<TuningJob>, behaviours: Readonly<Record<string, Behaviour>>) {
  const open = new Set<string>();
  const opened: string[] = [];
  const work = tuneModels(
    { device: 'cpu', splits: [NARROW], models: [], timeoutMs: 30_000, availableBytes: 1e9, ...job },
    async ({ sha256 }: InferenceModel, split) => {
      const behaviour = behaviours[sha256];
      if (behaviour === undefined) throw new Error('no such model');
      await new Promise((resolve) => setTimeout(resolve, behaviour.loadMs ?? 0));
      const name = `${sha256} ${split.sessions}x${split.intraOpThreads}`;
      open.add(name);
      opened.push(name);
      const latencyMs = (batch: PaddedBatch): number => behaviour.latencyMs(batch) / (split.intraOpThreads === 2 ? 8 : 1);
      const runners = Array.from({ length: split.sessions }, () => new FixedLatencyBatchRunner({ latencyMs }));
      return { runners, close: () => Promise.resolve(void open.delete(name)) };
    },
  );
  let running = true;
  const end = (): void => void (running = false);
  work.then(end, end);
  while (running) await vi.advanceTimersToNextTimerAsync();
  return { records: await work, open, opened };
}

describe('tuneModels', () => {
  it('finds a budget for each model, and leaves nothing open', async () => {
    const { records, open } = await tune(
      { models: [entry('large'), entry('small')] },
      {
        large: { latencyMs: () => 40 },
        small: { latencyMs: (batch) => (tokens(batch) / 64) * (tokens(batch) > 600 ? 10 : 4) },
      },
    );
    expect(records.map((record) => record?.max_batch_tokens)).toEqual([2_048, 512]);
    expect(open.size).toBe(0);
  });

  it('chooses the threads for the first model, and times the others on them', async () => {
    const slow = { latencyMs: () => 80 };
    const { records, opened } = await tune(
      { splits: [NARROW, WIDE], models: [entry('first'), entry('second')] },
      { first: slow, second: slow },
    );
    expect(records).toMatchObject([
      { sessions: 1, intra_op_threads: 2, tuned: true },
      { sessions: 1, intra_op_threads: 2, tuned: true },
    ]);
    expect(opened).toEqual(['first 2x1', 'first 1x2', 'second 1x2']);
  });

  it('goes on with the next model when one does not load', async () => {
    const { records } = await tune({ models: [entry('broken'), entry('sound')] }, { sound: { latencyMs: () => 40 } });
    expect(records).toMatchObject([undefined, { max_batch_tokens: 2_048, tuned: true }]);
  });

  it('does not load a model for which the time does not suffice', async () => {
    const { records, opened } = await tune(
      { models: [entry('first'), entry('huge', { modelBytes: 100_000 })], timeoutMs: 5_000 },
      { first: { latencyMs: () => 40, loadMs: 100 }, huge: { latencyMs: () => 40, loadMs: 100_000 } },
    );
    expect(records[1]).toBeUndefined();
    expect(opened).toEqual(['first 2x1']);
  });

  it('tries no budget above what memory has room for', async () => {
    const sizes: number[] = [];
    const latencyMs = (batch: PaddedBatch): number => {
      sizes.push(tokens(batch));
      return 40;
    };
    const { records } = await tune({ models: [entry('model', { mostBatchTokens: 1_100 })] }, { model: { latencyMs } });
    expect([records[0]?.max_batch_tokens, Math.max(...sizes)]).toEqual([1_024, 1_024]);
  });

  it('takes what memory allows, where that is one budget only', async () => {
    const { records } = await tune({ models: [entry('model', { mostBatchTokens: 300 })] }, { model: { latencyMs: () => 40 } });
    expect(records[0]).toMatchObject({ max_batch_tokens: 300, tuned: true });
  });
});
