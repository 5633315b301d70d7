import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { resolveModel } from '@rerank-fleet/core/models';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { InferencePool, type InferencePoolOptions } from '@rerank-fleet/worker/inference/inference-pool';
import { BatchScheduler } from '@rerank-fleet/worker/pipeline/batch-scheduler';
import { padBatch, type TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { TINY_FAULTS, TINY_WIDTH, writeTinyModel, type TinyLayout } from '../support/tiny-models/index.js';

const LAYOUTS: readonly TinyLayout[] = ['bert', 'roberta', 'xlm-roberta', 'modernbert'];
const TOLERANCE = 1e-5;
const QUERY = 'prune apple tree';
const PASSAGES = [
  'how to prune',
  'the stock price of apple shares rose in winter',
  'pie',
  'tree prune to how',
  'best practices for the garden: cut the branch!',
];

let root: string;
const models = new Map<string, ResolvedModel>();
const pools: InferencePool[] = [];
const onHang = vi.fn();
const onThreadDeath = vi.fn();

const named = (name: string): ResolvedModel => models.get(name) as ResolvedModel;

async function addModel(name: string, options: Parameters<typeof writeTinyModel>[1]): Promise<void> {
  models.set(name, await resolveModel(await writeTinyModel(join(root, name), options), { cacheDirectory: root }));
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-inference-'));
  for (const layout of LAYOUTS) await addModel(layout, { kind: 'cross-encoder', layout });
  await addModel('labels', { kind: 'cross-encoder', layout: 'bert', labels: 3 });
  await addModel('embedder', { kind: 'embedder', layout: 'bert' });
});

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  vi.clearAllMocks();
});

afterAll(() => rm(root, { recursive: true, force: true }));

const LOGIT = { kind: 'logit', labelIndex: 0 } as const;

async function start(
  name: string,
  overrides: Partial<InferencePoolOptions> = {},
  output: InferencePoolOptions['models'][number]['output'] = LOGIT,
) {
  const { sha256, onnxPath } = named(name);
  const pool = await InferencePool.start({
    models: [{ sha256, onnxPath, output }],
    device: 'cpu',
    intraOpThreads: 1,
    threads: 1,
    batchTimeoutMs: 20_000,
    onHang,
    onThreadDeath,
    ...overrides,
  });
  pools.push(pool);
  const run = async (sequences: readonly TokenSequence[]) => await pool.runners[0]!.run(padBatch(sha256, sequences));
  return {
    pool,
    run,
    scheduler: new BatchScheduler({ models: [{ sha256, maxBatchTokens: 4_096 }], runners: pool.runners, maxBatchDelayMs: 0 }),
    sha256,
  };
}

function encode(name: string, passages: readonly string[]): TokenSequence[] {
  const { tokenizerPath, maxLength } = named(name);
  return splitSequences(
    new PairEncoder(TextTokenizer.load(tokenizerPath), maxLength).encodePairs({ query: QUERY, passages, policy: 'error' }),
  );
}

const closeTo = (values: Iterable<number>): unknown[] =>
  Array.from(values, (value) => expect.closeTo(value, -Math.log10(TOLERANCE)) as unknown);

describe.each(LAYOUTS)('a cross-encoder of the %s layout', (layout) => {
  it('gives a pair the same score alone and in a padded batch', async () => {
    const { run } = await start(layout);
    const sequences = encode(layout, PASSAGES);
    const together = await run(sequences);
    const alone: number[] = [];
    for (const sequence of sequences) alone.push(...(await run([sequence])).values);
    expect(together.width).toBe(1);
    expect(Array.from(together.values)).toEqual(closeTo(alone));
  });

  it('tells passages apart by their words and by their order', async () => {
    const { run } = await start(layout);
    const { values } = await run(encode(layout, PASSAGES));
    expect(new Set(Array.from(values, (value) => value.toFixed(4))).size).toBe(PASSAGES.length);
  });
});

describe('the output of a model', () => {
  it('is the logit of the configured label where there are several', async () => {
    const sequences = encode('labels', PASSAGES);
    const byLabel: number[][] = [];
    for (const labelIndex of [0, 1, 2])
      byLabel.push(Array.from((await (await start('labels', {}, { kind: 'logit', labelIndex })).run(sequences)).values));
    expect(new Set(byLabel.map((values) => values[0]?.toFixed(4))).size).toBe(3);
    expect(named('labels').labelIndex).toBe(2);
  });

  it.each([
    ['a label that is not there', 3],
    ['several labels and none configured', undefined],
  ])('refuses to start with %s', async (_, labelIndex) => {
    await expect(start('labels', {}, { kind: 'logit', labelIndex })).rejects.toMatchObject({
      code: 'model_unavailable',
      detail: expect.stringMatching(/3 output labels.*"id2label"/) as string,
    });
  });

  it('depends on the token types where the model has them', async () => {
    const { run } = await start('bert');
    const [sequence] = encode('bert', ['pie']) as [TokenSequence];
    const [framed, flat] = [await run([sequence]), await run([{ ids: sequence.ids, typeIds: new Uint8Array(sequence.ids.length) }])];
    expect(Math.abs(framed.values[0]! - flat.values[0]!)).toBeGreaterThan(1e-3);
  });

  it.each(['mean', 'cls'] as const)(
    'is one vector of unit length a text for an embedder with %s pooling, alone or in a batch',
    async (pooling) => {
      const { run } = await start('embedder', {}, { kind: 'vector', pooling, normalize: true });
      const { tokenizerPath, maxLength } = named('embedder');
      const texts = ['apple', 'a much longer text about pruning trees'];
      const sequences = splitSequences(new PairEncoder(TextTokenizer.load(tokenizerPath), maxLength).encodeTexts(texts, ''));
      const together = await run(sequences);
      const [alone] = [await run([sequences[0]!])];
      expect([together.width, together.values.length]).toEqual([TINY_WIDTH, 2 * TINY_WIDTH]);
      expect(Array.from(together.values.subarray(0, TINY_WIDTH))).toEqual(closeTo(alone.values));
      for (const row of [0, 1]) expect(Math.hypot(...together.values.subarray(row * TINY_WIDTH, (row + 1) * TINY_WIDTH))).toBeCloseTo(1, 5);
    },
  );
});

describe('a model that fails', () => {
  it('errs for the pair it cannot take and scores the others of the batch', async () => {
    const { scheduler, sha256, run } = await start('bert');
    const sequences = encode('bert', [...PASSAGES, TINY_FAULTS.throws]);
    const expected = (await run(sequences.slice(0, -1))).values;
    const submit = (part: readonly TokenSequence[]) => scheduler.run(sha256, part, { priority: 'sync', alone: false });
    const rows = submit(sequences.slice(0, -1));
    const bad = submit(sequences.slice(-1));
    await expect(bad).rejects.toMatchObject({
      code: 'internal_error',
      detail: expect.not.stringMatching(/Gather|onnx|idx/i) as string,
      cause: expect.stringMatching(/Gather/) as string,
    });
    expect((await rows).map(([score]) => score)).toEqual(closeTo(expected));
    expect(onThreadDeath).not.toHaveBeenCalled();
  });

  it('errs with score_not_finite for the pair whose score is no number', async () => {
    const { scheduler, sha256 } = await start('bert');
    const run = scheduler.run(sha256, encode('bert', ['apple', TINY_FAULTS.notANumber]), { priority: 'sync', alone: false });
    await expect(run).rejects.toMatchObject({ code: 'score_not_finite' });
  });

  it('finds a batch that memory has room for, and scores every pair, when onnxruntime cannot allocate', async () => {
    await addModel('greedy', { kind: 'cross-encoder', layout: 'bert', roomForTokens: 100, maxLength: 64 });
    const { pool, sha256, run } = await start('greedy');
    const sequences = encode(
      'greedy',
      Array.from({ length: 24 }, (_, index) => `apple ${index}`),
    );
    await expect(run(sequences)).rejects.toMatchObject({ code: 'out_of_memory' });
    const budgets: number[] = [];
    const scheduler = new BatchScheduler({
      models: [{ sha256, maxBatchTokens: 1_024, maxLength: 64 }],
      runners: pool.runners,
      maxBatchDelayMs: 0,
      onBudgetLowered: (_, budget) => budgets.push(budget),
    });
    const rows = await scheduler.run(sha256, sequences, { priority: 'sync', alone: false });
    const expected: number[] = [];
    for (const sequence of sequences) expected.push(...(await run([sequence])).values);
    expect(rows.map(([score]) => score)).toEqual(closeTo(expected));
    expect(budgets.at(-1)).toBeLessThanOrEqual(100);
    expect(budgets.at(-1)).toBeGreaterThan(25);
    expect(onThreadDeath).not.toHaveBeenCalled();
  });

  it('errs with out_of_memory for a pair that memory has no room for even alone', async () => {
    await addModel('tight', { kind: 'cross-encoder', layout: 'bert', roomForTokens: 20, maxLength: 64 });
    const { scheduler, sha256 } = await start('tight');
    const submit = (passages: readonly string[]) => scheduler.run(sha256, encode('tight', passages), { priority: 'sync', alone: false });
    const bad = submit(['tree '.repeat(40)]);
    const good = submit(['apple', 'pie']);
    await expect(bad).rejects.toMatchObject({ code: 'out_of_memory' });
    expect(await good).toHaveLength(2);
  });

  it('reports a batch that runs longer than its timeout', async () => {
    await addModel('slow', { kind: 'cross-encoder', layout: 'bert', slowTurns: 300_000, seed: 9 });
    const hung = vi.fn();
    const { run } = await start('slow', { batchTimeoutMs: 50, onHang: hung });
    await run(encode('slow', [TINY_FAULTS.slow]));
    expect(hung).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/ran longer than 50 ms/));
  });

  it.each([
    ['is no ONNX file', 'not a model'],
    ['is empty', ''],
  ])('refuses to start when the file %s', async (_, content) => {
    const onnxPath = join(root, 'broken.onnx');
    await writeFile(onnxPath, content);
    const broken = { sha256: 'broken', onnxPath, output: LOGIT };
    await expect(start('bert', { models: [broken], threads: 2 })).rejects.toMatchObject({
      code: 'model_unavailable',
      detail: expect.stringContaining('broken.onnx') as string,
    });
  });

  it('refuses to start on a device that is not there, and does not fall back to the CPU', async () => {
    await expect(start('bert', { device: 'cuda' })).rejects.toMatchObject({
      code: 'model_unavailable',
      detail: expect.stringContaining('"cuda"') as string,
    });
  });
});

describe('inference threads', () => {
  it('leave nothing behind: the process ends by itself after close, and a batch in hand is rejected', async () => {
    const program = fileURLToPath(new URL('inference-programs/close-pool.mjs', import.meta.url));
    const { sha256, onnxPath } = named('bert');
    const child = fork(program, [sha256, onnxPath, '5'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const messages: unknown[] = [];
    child.on('message', (message) => messages.push(message));
    const [code] = (await once(child, 'exit')) as [number | null];
    expect({ code, messages }).toEqual({ code: 0, messages: [{ late: 'rejected' }] });
  });

  it('tell nobody what they run: the model runtime keeps no report of it', async () => {
    const home = join(root, 'home');
    await mkdir(home);
    const program = fileURLToPath(new URL('inference-programs/close-pool.mjs', import.meta.url));
    const { sha256, onnxPath } = named('bert');
    // Not the whole environment: the runtime is silent by itself where it sees a CI.
    const child = fork(program, [sha256, onnxPath, '5'], { env: { HOME: home }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const [code] = (await once(child, 'exit')) as [number | null];
    expect({ code, kept: await readdir(home) }).toEqual({ code: 0, kept: [] });
  });

  it('come back after they died with nothing in hand, and take the next batch', async () => {
    const workers: Worker[] = [];
    const remember = (worker: Worker): unknown => workers.push(worker);
    process.on('worker', remember);
    try {
      const { run } = await start('bert');
      const sequences = encode('bert', ['apple']);
      const expected = (await run(sequences)).values;
      await workers[0]?.terminate();
      expect((await run(sequences)).values).toEqual(expected);
      expect(onThreadDeath).toHaveBeenCalledOnce();
    } finally {
      process.off('worker', remember);
    }
  });

  it('that die time and again wait longer each time before they come back, and the pair under them errs alone', async () => {
    const started: number[] = [];
    const kill = (worker: Worker): void => {
      started.push(performance.now());
      // Under its first batch, whatever that is.
      worker.on('message', (message: object) => {
        if ('ready' in message) setImmediate(() => void worker.terminate());
      });
    };
    process.on('worker', kill);
    try {
      const { scheduler, sha256 } = await start('bert');
      const submit = (passage: string) => scheduler.run(sha256, encode('bert', [passage]), { priority: 'sync', alone: false });
      await expect(submit(`${TINY_FAULTS.slow} apple`)).rejects.toMatchObject({ code: 'internal_error' });
      process.off('worker', kill);
      await expect.poll(() => submit('apple').catch(() => undefined), { timeout: 10_000 }).toHaveLength(1);
      const gaps = started.slice(1).map((at, index) => at - started[index]!);
      expect(gaps.length).toBeGreaterThanOrEqual(2);
      expect(gaps[1]).toBeGreaterThanOrEqual(100);
      expect(onHang).not.toHaveBeenCalled();
    } finally {
      process.off('worker', kill);
    }
  });

  describe('whose model fails on everything, as after a GPU was lost', () => {
    /** Each thread as it starts: makes the first so many fail on whatever comes, and go on. */
    async function failing(threads: number) {
      const workers: Worker[] = [];
      const spoil = (worker: Worker): void => {
        if (workers.push(worker) > threads) return;
        const post = worker.postMessage.bind(worker);
        let good = workers.length === 1;
        worker.postMessage = (message: object, transfer?: readonly ArrayBuffer[]) => {
          const isBatch = 'model' in message;
          post(isBatch && !good ? { ...message, model: 'lost' } : message, transfer as ArrayBuffer[]);
          if (isBatch) good = false;
        };
      };
      process.on('worker', spoil);
      const started = await start('bert');
      const submit = (passage: string) =>
        started.scheduler.run(started.sha256, encode('bert', [passage]), { priority: 'sync', alone: false });
      return { ...started, workers, submit, stop: () => process.off('worker', spoil) };
    }

    it('are replaced after eight failures in a row, and what comes meanwhile is scored', async () => {
      const { submit, workers, stop } = await failing(1);
      try {
        const expected = (await submit('apple'))[0]![0]!;
        for (let call = 0; call < 8; call += 1) await expect(submit(`pie ${call}`)).rejects.toMatchObject({ code: 'internal_error' });
        const answers = await Promise.all(Array.from({ length: 4 }, () => submit('apple')));
        expect(answers.map(([row]) => row?.[0])).toEqual(closeTo(Array<number>(4).fill(expected)));
        expect(workers).toHaveLength(2);
        expect(onThreadDeath).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/fails whatever it is given: .*not loaded/));
        expect(onHang).not.toHaveBeenCalled();
      } finally {
        stop();
      }
    });

    it('end the process where a new thread fails on everything, too', async () => {
      const { submit, stop } = await failing(2);
      try {
        await submit('apple');
        for (let call = 0; onHang.mock.calls.length === 0 && call < 40; call += 1) await submit(`pie ${call}`).catch(() => undefined);
        expect(onHang).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/A new thread did not help/));
      } finally {
        stop();
      }
    });

    it('are not taken for such when texts are bad, however many in a row', async () => {
      const { submit, workers, stop } = await failing(0);
      try {
        await submit('apple');
        for (let call = 0; call < 20; call += 1) await expect(submit(TINY_FAULTS.throws)).rejects.toMatchObject({ code: 'internal_error' });
        expect(await submit('apple')).toHaveLength(1);
        expect(workers).toHaveLength(1);
        expect(onThreadDeath).not.toHaveBeenCalled();
      } finally {
        stop();
      }
    });
  });

  it('are replaced when they die under a batch, and the batch is tried again', async () => {
    const workers: Worker[] = [];
    const remember = (worker: Worker): unknown => workers.push(worker);
    process.on('worker', remember);
    try {
      const { scheduler, sha256, run } = await start('bert');
      const sequences = encode('bert', [`${TINY_FAULTS.slow} apple`, `${TINY_FAULTS.slow} pie`]);
      const expected = (await run(sequences)).values;
      const rows = scheduler.run(sha256, sequences, { priority: 'sync', alone: false });
      await workers[0]?.terminate();
      expect((await rows).map(([score]) => score)).toEqual(closeTo(expected));
      expect(workers).toHaveLength(2);
      expect(onHang).not.toHaveBeenCalled();
    } finally {
      process.off('worker', remember);
    }
  });
});
