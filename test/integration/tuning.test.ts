import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { loadConfig } from '@rerank-fleet/core/config';
import { resolveModel } from '@rerank-fleet/core/models';
import { createLogger } from '@rerank-fleet/core/observability';
import { startModels } from '@rerank-fleet/worker/composition/start-models';
import { inferenceModel } from '@rerank-fleet/worker/composition/resolve-configured';
import { runtimeVersion } from '@rerank-fleet/worker/inference/runtime-version';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import { tuneInProcess } from '@rerank-fleet/worker/tuning/tune-in-process';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { TINY_FAULTS, writeTinyModel } from '../support/tiny-models/index.js';
import { WorkerProcess } from '../support/worker-process.js';

let root: string;
let cacheHome: string;
let reranker: string;
let embedder: string;

const tuningFolder = (): string => join(cacheHome, 'rerank-fleet', 'tuning');
const log = createLogger({ level: 'error', process: 'test' });

/** Starts the models as a worker would, and says in which shape. */
async function start(settings: NodeJS.ProcessEnv = {}) {
  const config = loadConfig({ XDG_CACHE_HOME: cacheHome, RERANK_MODELS: reranker, EMBEDDING_MODEL: embedder, ...settings });
  const info = vi.spyOn(log, 'info');
  const models = await startModels(config, log, (detail) => {
    throw new Error(detail);
  });
  const lines = info.mock.calls.map(([fields]) => fields as Record<string, unknown>);
  info.mockRestore();
  await models.close();
  return { engine: models.engine, line: lines[0] ?? {} };
}

const keptFiles = async (): Promise<string[]> => (await readdir(tuningFolder()).catch(() => [])).toSorted();

/** Where the choice of a model is kept. */
async function fileOf(model: string): Promise<string> {
  const sha256 = await sha256Of(join(model, 'model.onnx'));
  for (const name of await keptFiles()) {
    expect(name).toMatch(/^[0-9a-f]{32}(\.bound)?\.json$/);
    const path = join(tuningFolder(), name);
    if ((await readFile(path, 'utf8')).includes(sha256)) return path;
  }
  throw new Error('Nothing is kept of the model.');
}

const sha256Of = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

const readJson = async (path: string): Promise<object> => JSON.parse(await readFile(path, 'utf8')) as object;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-tuning-'));
  reranker = await writeTinyModel(join(root, 'reranker'), { kind: 'cross-encoder', layout: 'bert' });
  embedder = await writeTinyModel(join(root, 'embedder'), { kind: 'embedder', layout: 'bert' });
});

beforeEach(async () => {
  cacheHome = await mkdtemp(join(root, 'cache-'));
});

afterAll(() => rm(root, { recursive: true, force: true }));

describe('the engine of a worker', () => {
  it('is tuned at the first start, which keeps the choice and logs its figures', async () => {
    const { engine, line } = await start();
    expect(engine.tuned).toBe(true);
    expect([512, 1_024, 2_048, 4_096]).toContain(engine.max_batch_tokens);
    expect(line).toMatchObject({ engine, tokens_per_s: expect.stringMatching(/\d+x\d+@1024: \d+/) as string });
    const { models, ...shape } = engine;
    expect(await readJson(await fileOf(reranker))).toMatchObject({ ...shape, key: { onnxruntime: runtimeVersion() } });
    expect(models).toEqual([
      { name: 'reranker', max_batch_tokens: shape.max_batch_tokens, tuned: true },
      { name: 'embedder', max_batch_tokens: expect.any(Number) as number, tuned: true },
    ]);
  });

  it('is taken from the cache at the next start, which measures nothing', async () => {
    await start({ INFERENCE_THREADS: '1' });
    const path = await fileOf(reranker);
    // A choice that no measurement would make.
    await writeFile(path, JSON.stringify({ ...(await readJson(path)), max_batch_tokens: 777 }));
    const { engine, line } = await start({ INFERENCE_THREADS: '1' });
    expect(engine).toMatchObject({ max_batch_tokens: 777, sessions: 1, tuned: true });
    expect(line).toMatchObject({ cache: path });
    expect(line).not.toHaveProperty('tokens_per_s');
  });

  it.each([
    ['no JSON', '{"v": 1, "max_'],
    ['JSON of another shape', '{"v": 1, "max_batch_tokens": "many"}'],
    ['of another version', '{"v": 99, "max_batch_tokens": 512, "sessions": 1, "intra_op_threads": 1, "tuned": true, "figures": []}'],
  ])('is tuned again when the file in the cache is %s', async (_, content) => {
    await start({ INFERENCE_THREADS: '1' });
    const path = await fileOf(reranker);
    await writeFile(path, content);
    const { engine } = await start({ INFERENCE_THREADS: '1' });
    expect(engine.tuned).toBe(true);
    expect(await readJson(path)).toMatchObject({ max_batch_tokens: engine.max_batch_tokens, tuned: true });
  });

  it('is tuned and runs when the choice cannot be kept', async () => {
    await mkdir(join(cacheHome, 'rerank-fleet'));
    await writeFile(tuningFolder(), 'a file where the folder should be');
    const warn = vi.spyOn(log, 'warn').mockReturnValue();
    expect((await start({ INFERENCE_THREADS: '1' })).engine.tuned).toBe(true);
    expect(warn).toHaveBeenCalledOnce();
    warn.mockRestore();
  });

  it('is tuned for each model by itself', async () => {
    const other = await writeTinyModel(join(root, 'other'), { kind: 'cross-encoder', layout: 'bert', seed: 2 });
    await start({ INFERENCE_THREADS: '1' });
    await start({ INFERENCE_THREADS: '1', RERANK_MODELS: other });
    expect(await keptFiles()).toHaveLength(3);
  });

  it.each([
    ['AUTO_TUNE=false', { AUTO_TUNE: 'false', INFERENCE_THREADS: '1' }, { max_batch_tokens: 1_024, sessions: 1, intra_op_threads: 1 }],
    [
      'a budget',
      { MAX_BATCH_TOKENS: '333', INFERENCE_THREADS: '2', INTRA_OP_THREADS: '1' },
      { max_batch_tokens: 333, sessions: 2, intra_op_threads: 1 },
    ],
  ])('is as configured with %s: nothing is measured, read or kept', async (_, settings, expected) => {
    expect((await start(settings)).engine).toMatchObject({ ...expected, tuned: false });
    expect(await keptFiles()).toEqual([]);
  });

  it('has a budget for each model, and times only those it has no choice of', async () => {
    await start({ INFERENCE_THREADS: '1' });
    const paths = [await fileOf(reranker), await fileOf(embedder)] as const;
    await writeFile(paths[0], JSON.stringify({ ...(await readJson(paths[0])), max_batch_tokens: 777 }));
    await rm(paths[1]);
    const { engine, line } = await start({ INFERENCE_THREADS: '1' });
    expect(engine.models?.[0]).toEqual({ name: 'reranker', max_batch_tokens: 777, tuned: true });
    expect(engine.models?.[1]).toMatchObject({ name: 'embedder', tuned: true });
    expect(line).toMatchObject({ tokens_per_s: expect.stringMatching(/^embedder 1x1@/) as string });
    await writeFile(paths[1], JSON.stringify({ ...(await readJson(paths[1])), max_batch_tokens: 333 }));
    expect((await start({ INFERENCE_THREADS: '1' })).engine.models?.map((model) => model.max_batch_tokens)).toEqual([777, 333]);
  });

  it('keeps the threads that are configured when its budget is tuned', async () => {
    expect((await start({ INFERENCE_THREADS: '1', INTRA_OP_THREADS: '2' })).engine).toMatchObject({
      sessions: 1,
      intra_op_threads: 2,
      tuned: true,
    });
  });
});

describe('a budget that memory has no room for', () => {
  const ROOM = 600;
  let greedy: string;
  beforeAll(async () => {
    greedy = await writeTinyModel(join(root, 'greedy'), { kind: 'cross-encoder', layout: 'bert', roomForTokens: ROOM });
  });

  /** Starts, scores a hundred pairs of sixteen tokens, and says how the engine was before and after. */
  async function scoreMany(settings: NodeJS.ProcessEnv) {
    const config = loadConfig({ XDG_CACHE_HOME: cacheHome, RERANK_MODELS: greedy, EMBEDDING_MODEL: embedder, ...settings });
    const models = await startModels(config, log, (detail) => {
      throw new Error(detail);
    });
    try {
      const before = models.engine;
      const sequence = { ids: new Int32Array(16).fill(5), typeIds: new Uint8Array(16) };
      const rows = await models.scheduler.run(models.revisions[0]!.sha256, Array<typeof sequence>(100).fill(sequence), {
        priority: 'sync',
        alone: false,
      });
      expect(rows).toHaveLength(100);
      return { before, after: models.engine };
    } finally {
      await models.close();
    }
  }

  it('is lowered for good: it is announced, logged once, and later starts begin with it, timed anew or not', async () => {
    const warn = vi.spyOn(log, 'warn').mockReturnValue();
    const pinned = { MAX_BATCH_TOKENS: '1024', INFERENCE_THREADS: '1' };
    const { before, after } = await scoreMany(pinned);
    const lowered = after.max_batch_tokens;
    expect(before.max_batch_tokens).toBe(1_024);
    expect(lowered).toBeLessThanOrEqual(ROOM);
    expect(after.models?.map((model) => model.max_batch_tokens)).toEqual([lowered, 1_024]);
    expect(warn.mock.calls.map(([fields]) => (fields as { max_batch_tokens: number }).max_batch_tokens)).toEqual([lowered]);
    expect((await scoreMany(pinned)).before.max_batch_tokens).toBe(lowered);
    const tuned = await scoreMany({ INFERENCE_THREADS: '1' });
    expect(tuned.before.max_batch_tokens).toBeLessThanOrEqual(lowered);
    expect(warn).toHaveBeenCalledOnce();
    warn.mockRestore();
  });
});

describe('models that are timed in a process of their own', () => {
  const split = { sessions: 1, intraOpThreads: 1 } as const;

  /** Times the model on a text. */
  async function tune(text: string, timeoutMs: number) {
    const model = await resolveModel(reranker, { cacheDirectory: cacheHome });
    const [sample] = splitSequences(new PairEncoder(TextTokenizer.load(model.tokenizerPath), 64).encodeTexts([text], ''));
    const entry = { model: inferenceModel(model), modelBytes: 1, sample: { ids: sample!.ids.slice(), typeIds: sample!.typeIds.slice() } };
    return await tuneInProcess({ device: 'cpu', splits: [split], models: [entry], timeoutMs, availableBytes: 2 ** 30 });
  }

  it('have a choice where they run', async () => {
    expect(await tune('apple tree', 20_000)).toMatchObject([{ tuned: true, sessions: 1, intra_op_threads: 1 }]);
  });

  it('have none where they fail', async () => {
    expect(await tune(TINY_FAULTS.throws, 20_000)).toMatchObject([{ tuned: false }]);
  });

  it('are given up, with their process, where they never end', async () => {
    const begun = performance.now();
    expect(await tune(TINY_FAULTS.hangs, 2_000)).toEqual([]);
    expect(performance.now() - begun).toBeGreaterThan(6_000);
  });
});

describe('a worker', () => {
  it('tells the fleet in which shape it runs', async () => {
    const redis = await RedisServer.start();
    const connection = await connectRedis(redis.url, { role: 'producer', name: 'test', onFault: () => undefined });
    const worker = await WorkerProcess.start({
      redisUrl: redis.url,
      stateDirectory: join(cacheHome, 'state'),
      rerankModels: [reranker],
      embeddingModel: embedder,
      settings: { AUTO_TUNE: 'true', XDG_CACHE_HOME: cacheHome },
    });
    try {
      const [live] = await new FleetRegistry(connection).live();
      const line = await worker.logged(({ message }) => message === 'The engine was tuned.');
      expect(live?.engine).toMatchObject({ sessions: 1, intra_op_threads: 1, tuned: true });
      expect(line).toMatchObject({ engine: live?.engine });
    } finally {
      await worker.end();
      connection.disconnect();
      await redis.stop();
    }
  });
});

describe('a GPU that was asked for', () => {
  const onDevice = async (settings: Readonly<Record<string, string>>) => {
    const redis = await RedisServer.start();
    try {
      const worker = WorkerProcess.spawn({
        redisUrl: redis.url,
        stateDirectory: join(cacheHome, 'state'),
        rerankModels: [reranker],
        embeddingModel: embedder,
        settings,
      });
      return { ...(await worker.exited), text: worker.text };
    } finally {
      await redis.stop();
    }
  };

  it.for(['cuda', 'webgpu'])('stops the worker with status 78 and what to do where there is none: %s', async (device, context) => {
    context.skip(
      (await readdir('/dev')).some((name) => /^(nvidia\d|dri$)/.test(name)),
      'this machine has a GPU',
    );
    const { code, text } = await onDevice({ DEVICE: device });
    expect(code).toBe(78);
    expect(text).toContain(`DEVICE=${device}, but this device cannot be used here`);
    expect(text).toContain('Or set DEVICE=cpu');
    expect(text).not.toContain('is ready');
  });

  it('takes one session: more stop the worker with status 78', async () => {
    const { code, text } = await onDevice({ DEVICE: 'cuda', INFERENCE_THREADS: '2' });
    expect(code).toBe(78);
    expect(text).toContain('DEVICE=cuda takes one session');
  });
});
