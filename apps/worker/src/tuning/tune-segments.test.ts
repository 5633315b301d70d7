import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FixedLatencyBatchRunner } from '../../../../test/support/fixed-latency-batch-runner.js';
import { SeededRandom } from '../exits/seeded-random.js';
import { HEADS_VERSION } from '../exits/heads-schema.js';
import { HIDDEN_INPUT } from '../exits/segment-set.js';
import type { InferenceModel } from '../inference/inference-messages.js';
import type { PaddedBatch } from '../pipeline/batch-runner.js';
import { PAGE_TOKENS } from '../pipeline/state-pages.js';
import type { CutModel } from './measure-segments.js';
import { tuneSegments, type SegmentsToTune, type SegmentTuningJob } from './tune-segments.js';

/** 64 tokens. */
const SAMPLE = { ids: new Int32Array(64).fill(1), typeIds: new Uint8Array(64) };
const WHOLE = 512;
const WIDTH = 8;

const HEADS: CutModel['segmented']['heads'] = {
  v: HEADS_VERSION,
  model: 'a'.repeat(64),
  width: WIDTH,
  fitted_on: 'nothing',
  pairs: 1,
  queries: 1,
  heads: [],
};

const tokens = ({ batch, sequence }: PaddedBatch): number => batch * sequence;

/** A model of so many segments, two layers each. */
function cutModel(sha256: string, segments: number): CutModel {
  const segmentAt = (number: number): CutModel['segmented']['segments'][number] => ({
    path: `${number}.onnx`,
    inputs: number === 0 ? ['input_ids', 'attention_mask'] : [HIDDEN_INPUT, 'attention_mask'],
    output: 'out',
    layers: [number * 2, number * 2 + 2],
  });
  const cuts = Array.from({ length: segments - 1 }, (_, at) => at * 2 + 2);
  return {
    sha256,
    onnxPath: 'model.onnx',
    output: { kind: 'logit', labelIndex: 0 },
    segmented: {
      cuts,
      width: WIDTH,
      segments: Array.from({ length: segments }, (_, at) => segmentAt(at)),
      heads: HEADS,
      cacheDirectory: 'cache',
    },
  };
}

const entry = (model: CutModel, more: Partial<SegmentsToTune> = {}): SegmentsToTune => ({
  model,
  sample: SAMPLE,
  maxBatchTokens: WHOLE,
  ...more,
});

interface Behaviour {
  readonly latencyMs: (batch: PaddedBatch) => number;
  readonly fault?: (batch: PaddedBatch) => Error | undefined;
  readonly loadMs?: number;
}

// Rates are of virtual time: a busy machine changes nothing.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function tune(job: Partial<SegmentTuningJob>, behaviours: Readonly<Record<string, Behaviour>>) {
  const open = new Set<string>();
  const loaded: InferenceModel[] = [];
  const runs: PaddedBatch[] = [];
  const work = tuneSegments(
    { device: 'cpu', split: { sessions: 2, intraOpThreads: 1 }, segmentsOf: [], timeoutMs: 60_000, ...job },
    async (model, split) => {
      const behaviour = behaviours[model.sha256];
      if (behaviour === undefined) throw new Error('no such model');
      await new Promise((resolve) => setTimeout(resolve, behaviour.loadMs ?? 0));
      open.add(model.sha256);
      loaded.push(model);
      const latencyMs = (batch: PaddedBatch): number => {
        runs.push(batch);
        return behaviour.latencyMs(batch);
      };
      const { fault } = behaviour;
      const runner = (): FixedLatencyBatchRunner => new FixedLatencyBatchRunner({ latencyMs, ...(fault === undefined ? {} : { fault }) });
      return { runners: Array.from({ length: split.sessions }, runner), close: () => Promise.resolve(void open.delete(model.sha256)) };
    },
  );
  let running = true;
  const end = (): void => void (running = false);
  work.then(end, end);
  while (running) await vi.advanceTimersToNextTimerAsync();
  return { outcome: await work, open, loaded, runs };
}

/** Milliseconds a batch takes on top of its tokens: the more, the better large batches are. */
const costing =
  (overheadMs: (segment: number) => number) =>
  (batch: PaddedBatch): number =>
    overheadMs(batch.segment ?? 0) + tokens(batch) / 64;

describe(tuneSegments, () => {
  it('gives each segment the budget that suits it, and leaves nothing open', async () => {
    // The first gains from large batches, the second from nothing, and the third falls out of its cache.
    const latencyMs = (batch: PaddedBatch): number =>
      batch.segment === 2 && tokens(batch) > WHOLE / 2 ? tokens(batch) / 32 : costing((segment) => (segment === 0 ? 20 : 0))(batch);
    const { outcome, open } = await tune({ segmentsOf: [entry(cutModel('model', 3))] }, { model: { latencyMs } });
    expect(outcome[0]?.map((record) => [record.max_batch_tokens, record.tuned])).toEqual([
      [WHOLE * 2, true],
      [WHOLE, true],
      [WHOLE / 2, true],
    ]);
    expect(outcome[0]?.[1]?.figures.map((figure) => [figure.max_batch_tokens, figure.rounds])).toEqual([
      [WHOLE, 5],
      [WHOLE / 2, 5],
      [WHOLE * 2, 5],
    ]);
    expect(open.size).toBe(0);
  });

  it('keeps the budget of the whole model where another wins by less than 5 %', async () => {
    // 8 pairs take 8.2 ms and 16 take 16.2: 1.2 % better.
    const { outcome } = await tune({ segmentsOf: [entry(cutModel('model', 2))] }, { model: { latencyMs: costing(() => 0.2) } });
    expect(outcome[0]?.map((record) => record.max_batch_tokens)).toEqual([WHOLE, WHOLE]);
  });

  it('never takes one that is slower than the whole model’s budget by more than the noise there is, less the margin', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 80, max: 125 }), { minLength: 3, maxLength: 3 }),
        fc.array(fc.double({ min: 0.9, max: 1.1, noNaN: true }), { minLength: 64, maxLength: 64 }),
        async (speeds, noise) => {
          vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
          let at = 0;
          const sizes = [WHOLE / 2, WHOLE, WHOLE * 2];
          const speedOf = (size: number): number => speeds[sizes.indexOf(size)]! / 100;
          // The pairs that warm up are of another size. A batch is longer than the shortest measurement, so each one is one batch.
          const latencyMs = (batch: PaddedBatch): number =>
            (tokens(batch) * noise[at++ % noise.length]!) / (sizes.includes(tokens(batch)) ? speedOf(tokens(batch)) : 1);
          const job = { split: { sessions: 1, intraOpThreads: 1 }, timeoutMs: 1e9 };
          const { outcome } = await tune({ ...job, segmentsOf: [entry(cutModel('model', 1))] }, { model: { latencyMs } });
          const chosen = outcome[0]![0]!.max_batch_tokens;
          if (chosen !== WHOLE) expect(speedOf(chosen) / speedOf(WHOLE)).toBeGreaterThanOrEqual((0.9 / 1.1) * 1.05 - 1e-9);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('rarely takes another of budgets that are alike, however noisy the machine', async () => {
    const random = new SeededRandom(7);
    const segments = Array.from({ length: 40 }, (_, at) => entry(cutModel(`model ${at}`, 5)));
    // Up to three times as slow, by chance.
    const behaviour = { latencyMs: (batch: PaddedBatch): number => tokens(batch) * (1 + 2 * random.uniform()) };
    const behaviours = Object.fromEntries(segments.map(({ model }) => [model.sha256, behaviour]));
    const { outcome } = await tune({ segmentsOf: segments, timeoutMs: 1e9, split: { sessions: 1, intraOpThreads: 1 } }, behaviours);
    const chosen = outcome.flatMap((records) => records!.map((record) => record.max_batch_tokens));
    expect(chosen).toHaveLength(200);
    // One in 126 by chance, as two others are tried; more than one in forty would be a fault.
    expect(chosen.filter((budget) => budget !== WHOLE).length).toBeLessThanOrEqual(5);
  });

  it('is not misled by one slow second, as budgets and segments take turns', async () => {
    // Whatever runs in the second round takes five times as long.
    let runs = 0;
    const latencyMs = (batch: PaddedBatch): number => {
      runs += 1;
      return (tokens(batch) / 8) * (runs > 12 && runs < 30 ? 5 : 1);
    };
    const { outcome } = await tune({ segmentsOf: [entry(cutModel('model', 2))] }, { model: { latencyMs } });
    expect(outcome[0]?.map((record) => record.max_batch_tokens)).toEqual([WHOLE, WHOLE]);
  });

  it('chooses nothing on fewer than three rounds', async () => {
    const { outcome } = await tune({ segmentsOf: [entry(cutModel('model', 2))], timeoutMs: 1_100 }, { model: { latencyMs: () => 100 } });
    expect(outcome[0]?.map((record) => [record.max_batch_tokens, record.tuned])).toEqual([
      [WHOLE, false],
      [WHOLE, false],
    ]);
    expect(outcome[0]?.[0]?.figures.every(({ rounds }) => rounds < 3)).toBe(true);
  });

  it('begins nothing that cannot end in its time', async () => {
    const started = performance.now();
    await tune({ segmentsOf: [entry(cutModel('model', 5))], timeoutMs: 2_000 }, { model: { latencyMs: () => 40, loadMs: 500 } });
    expect(performance.now() - started).toBeLessThanOrEqual(2_100);
  });

  it('tries no budget above what memory has room for', async () => {
    const { outcome, runs } = await tune(
      { segmentsOf: [entry(cutModel('model', 2), { mostBatchTokens: 600 })] },
      { model: { latencyMs: costing(() => 20) } },
    );
    expect(Math.max(...runs.map(tokens))).toBe(WHOLE);
    expect(outcome[0]?.map((record) => record.max_batch_tokens)).toEqual([WHOLE, WHOLE]);
  });

  it('does not choose a budget whose batches fail', async () => {
    const latencyMs = costing(() => 20);
    const fault = (batch: PaddedBatch): Error | undefined => (tokens(batch) > WHOLE ? new Error('no memory') : undefined);
    const { outcome } = await tune({ segmentsOf: [entry(cutModel('model', 2))] }, { model: { latencyMs, fault } });
    expect(outcome[0]?.map((record) => record.max_batch_tokens)).toEqual([WHOLE, WHOLE]);
  });

  it('gives every pair of every thread pages of its own, within the memory', async () => {
    const { loaded, runs } = await tune({ segmentsOf: [entry(cutModel('model', 2))] }, { model: { latencyMs: () => 30 } });
    const pages = loaded[0]!.segmented!.memory.byteLength / (PAGE_TOKENS * WIDTH * 4);
    // Two threads, sixteen pairs of four pages.
    expect(pages).toBe(2 * 16 * 4);
    const largest = runs.filter((batch) => tokens(batch) === WHOLE * 2 && batch.segment === 1).map((batch) => new Set(batch.state!.pages));
    const [one, other] = [largest[0]!, largest.find((each) => [...each].every((page) => !largest[0]!.has(page)))!];
    expect([one.size, other.size]).toEqual([64, 64]);
    expect(Math.max(...one, ...other)).toBe(pages - 1);
  });

  it('goes on with the next model when one does not load', async () => {
    const { outcome, open } = await tune(
      { segmentsOf: [entry(cutModel('broken', 2)), entry(cutModel('sound', 2))] },
      { sound: { latencyMs: () => 30 } },
    );
    expect(outcome[0]).toBeUndefined();
    // A batch takes as long whatever it holds.
    expect(outcome[1]?.map((record) => record.max_batch_tokens)).toEqual([WHOLE * 2, WHOLE * 2]);
    expect(open.size).toBe(0);
  });
});
