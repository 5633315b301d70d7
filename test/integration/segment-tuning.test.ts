import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@rerank-fleet/core/config';
import type { EngineBody } from '@rerank-fleet/core/contracts';
import { createLogger } from '@rerank-fleet/core/observability';
import { startModels, type RunningModels } from '@rerank-fleet/worker/composition/start-models';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeTinyHeads } from '../support/tiny-exit-heads.js';
import { writeLayeredModel, writeTinyModel } from '../support/tiny-models/index.js';

const CUTS = [1, 3];
const LAYERS = ['1-1', '2-3', '4-4'];

let root: string;
let cacheHome: string;
let reranker: string;
let embedder: string;

const log = createLogger({ level: 'error', process: 'test' });
const tuningFolder = (): string => join(cacheHome, 'rerank-fleet', 'tuning');
const readJson = async (path: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;

async function keptFiles(): Promise<string[]> {
  const names = await readdir(tuningFolder()).catch(() => []);
  return names.filter((name) => name.endsWith('.segments.json')).map((name) => join(tuningFolder(), name));
}

/** Starts the models as a worker would, and says what it did for the segments. */
async function start(settings: NodeJS.ProcessEnv = {}, use: (models: RunningModels) => Promise<void> = () => Promise.resolve()) {
  const config = loadConfig({
    XDG_CACHE_HOME: cacheHome,
    RERANK_MODELS: reranker,
    EMBEDDING_MODEL: embedder,
    INFERENCE_THREADS: '1',
    ...settings,
  });
  const info = vi.spyOn(log, 'info');
  const models = await startModels(config, log, (detail) => {
    throw new Error(detail);
  });
  const lines = info.mock.calls.map(([fields, message]) => ({ ...(fields as Record<string, unknown>), message }));
  info.mockRestore();
  try {
    await use(models);
  } finally {
    await models.close();
  }
  const line = lines.find(({ message }) => String(message).startsWith('The segments of the model'));
  return { engine: models.engine, line, segments: models.engine.models?.[0]?.segments ?? [] };
}

/** Starts until there was time to measure: on a machine that others use a start may have too little of it. */
async function startTuned() {
  for (let attempt = 0; attempt < 6; attempt += 1) {
    const started = await start();
    if (started.segments.length > 0 && started.segments.every(({ tuned }) => tuned)) return started;
    await rm(tuningFolder(), { recursive: true, force: true });
  }
  throw new Error('Six starts could not time three tiny segments.');
}

const budgets = (segments: NonNullable<NonNullable<EngineBody['models']>[number]['segments']>): number[] =>
  segments.map((segment) => segment.max_batch_tokens);

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-segment-tuning-'));
  reranker = await writeLayeredModel(join(root, 'reranker'), { layers: 4 });
  embedder = await writeTinyModel(join(root, 'embedder'), { kind: 'embedder', layout: 'bert' });
});

beforeEach(async () => {
  cacheHome = await mkdtemp(join(root, 'cache-'));
  await writeTinyHeads(reranker, cacheHome, CUTS);
});

afterAll(() => rm(root, { recursive: true, force: true }));

describe('the segments of a model', () => {
  it('are timed at the first start, each by itself; the choice is announced, logged and kept', async () => {
    const { engine, segments, line } = await startTuned();
    const whole = engine.max_batch_tokens;
    expect(segments.map(({ layers }) => layers)).toEqual(LAYERS);
    for (const segment of segments) {
      expect([whole / 2, whole, whole * 2]).toContain(segment.max_batch_tokens);
      expect(segment.tuned).toBe(true);
    }
    expect(line).toMatchObject({
      message: 'The segments of the model were tuned.',
      max_batch_tokens: LAYERS.map((layers, at) => `${layers}: ${segments[at]!.max_batch_tokens}`).join(', '),
      tokens_per_s: expect.stringMatching(new RegExp(`^1-1@${whole}: \\d+.* 4-4@${whole}: \\d+`)) as string,
    });
    const [file, ...others] = await keptFiles();
    expect(others).toEqual([]);
    expect(await readJson(file!)).toMatchObject({
      segments: segments.map(({ max_batch_tokens, tuned }) => ({ max_batch_tokens, tuned })),
      key: { cuts: CUTS, maxBatchTokens: whole },
    });
  });

  it('run with the budgets that an earlier start chose, without another measurement', async () => {
    await startTuned();
    const [file] = await keptFiles();
    const kept = await readJson(file!);
    // A choice that no measurement would make.
    const chosen = [100, 200, 300];
    await writeFile(
      file!,
      JSON.stringify({ ...kept, segments: chosen.map((max_batch_tokens) => ({ max_batch_tokens, tuned: true, figures: [] })) }),
    );
    const rows: number[] = [];
    const { segments, line } = await start({}, async ({ scheduler, revisions }) => {
      const model = revisions[0]!.sha256;
      const pair = (number: number) => ({
        ids: new Int32Array(16).fill(5),
        typeIds: new Uint8Array(16),
        state: { pages: Int32Array.of(number), span: [0, 4, 4, 16] as const },
      });
      const before = scheduler.stats.batches;
      await scheduler.submit(
        { model, segment: 0 },
        Array.from({ length: 12 }, (_, number) => pair(number)),
        { priority: 'sync', alone: false },
      ).rows;
      rows.push(scheduler.stats.batches - before);
    });
    expect([budgets(segments), line]).toEqual([chosen, undefined]);
    // Six pairs of sixteen tokens go into a hundred.
    expect(rows[0]).toBeGreaterThanOrEqual(2);
  });

  it('are timed anew after another cut', async () => {
    await startTuned();
    await writeTinyHeads(reranker, cacheHome, [2]);
    const { segments, line } = await start();
    expect(segments.map(({ layers }) => layers)).toEqual(['1-2', '3-4']);
    expect(line).toBeDefined();
    expect(await keptFiles()).toHaveLength(2);
  });

  it('are timed anew when the file in the cache is damaged, and run when the choice cannot be kept', async () => {
    await startTuned();
    const [file] = await keptFiles();
    await writeFile(file!, '{"v": 1, "segm');
    expect((await start()).line).toBeDefined();
    expect(await readJson(file!)).toMatchObject({ attempts: 1, segments: [{}, {}, {}] });
    await rm(file!);
    await mkdir(file!);
    const warn = vi.spyOn(log, 'warn').mockReturnValue();
    expect((await start()).segments).toHaveLength(3);
    expect(warn).toHaveBeenCalledOnce();
    warn.mockRestore();
  });

  it.each<[string, NodeJS.ProcessEnv, number[]]>([
    ['one number for all', { EARLY_EXIT_BATCH_TOKENS: '300', AUTO_TUNE: 'false' }, [300, 300, 300]],
    ['a number each, the last for those that follow', { EARLY_EXIT_BATCH_TOKENS: '300, 700', AUTO_TUNE: 'false' }, [300, 700, 700]],
    ['the budget that is set for the whole model', { MAX_BATCH_TOKENS: '333' }, [333, 333, 333]],
    ['both', { MAX_BATCH_TOKENS: '333', EARLY_EXIT_BATCH_TOKENS: '300' }, [300, 300, 300]],
    ['the default, untimed', { AUTO_TUNE: 'false' }, [1_024, 1_024, 1_024]],
  ])('have what configuration says: %s', async (_, settings, expected) => {
    const { segments, line } = await start(settings);
    expect(budgets(segments)).toEqual(expected);
    expect(segments.every(({ tuned }) => !tuned)).toBe(true);
    expect(line).toBeUndefined();
    expect(await keptFiles()).toEqual([]);
  });

  it('are none, and none are timed, without early exit', async () => {
    const { engine, line } = await start({ EARLY_EXIT: 'false' });
    expect(engine.models?.[0]).not.toHaveProperty('segments');
    expect([line, await keptFiles()]).toEqual([undefined, []]);
  });
});

describe('EARLY_EXIT_BATCH_TOKENS', () => {
  it.each(['many', '300,8', '-5', ','])('takes whole numbers from 16 on, and not %s', (text) => {
    expect(() => loadConfig({ EARLY_EXIT_BATCH_TOKENS: text })).toThrow(/EARLY_EXIT_BATCH_TOKENS/);
  });
});
