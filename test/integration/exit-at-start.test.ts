import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadConfig } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { digestFile } from '@rerank-fleet/core/models';
import { createLogger } from '@rerank-fleet/core/observability';
import { exitAtStart, type ModelExit } from '@rerank-fleet/worker/composition/exit-at-start';
import { writeExitHeads } from '@rerank-fleet/worker/exits/exit-heads-file';
import { fittedHeadsPath } from '@rerank-fleet/worker/exits/find-exit-heads';
import { encodeHalves } from '@rerank-fleet/worker/exits/half-floats';
import { HEADS_VERSION, type HeadsFile } from '@rerank-fleet/worker/exits/heads-schema';
import { featureCount, pooledCount } from '@rerank-fleet/worker/exits/pair-features';
import { InferencePool } from '@rerank-fleet/worker/inference/inference-pool';
import type { InferenceModel } from '@rerank-fleet/worker/inference/inference-messages';
import { ModelVariants } from '@rerank-fleet/worker/inference/model-variants';
import { padBatch, RunnerFault, type PaddedBatch } from '@rerank-fleet/worker/pipeline/batch-runner';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { BERT, writeLayeredModel } from '../support/tiny-models/index.js';

const LAYERS = 4;
const ON_CPU = { device: 'cpu', intraOpThreads: 1 } as const;
const OUTPUT = { kind: 'logit', labelIndex: 0 } as const;

let root: string;
let model: ResolvedModel;
const log = createLogger({ level: 'error', process: 'test' });
const warn = vi.spyOn(log, 'warn');

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-exit-start-'));
  const onnxPath = join(await writeLayeredModel(join(root, 'model'), { layers: LAYERS }), 'model.onnx');
  const { sha256 } = await digestFile(onnxPath);
  model = { kind: 'cross-encoder', name: 'layered', precision: 'fp32', onnxPath, sha256 } as ResolvedModel;
});
beforeEach(() => void warn.mockReset());
afterAll(() => rm(root, { recursive: true, force: true }));

/** Heads that predict their bias, whatever the pair. */
function headsFile(
  cuts: readonly number[],
  { bias = 0, width = BERT.width, v = HEADS_VERSION }: { readonly bias?: number; readonly width?: number; readonly v?: 2 | 4 } = {},
): HeadsFile {
  const weights = encodeHalves(new Float32Array(v === HEADS_VERSION ? featureCount(width) : pooledCount(width)));
  const heads = cuts.map((layer) => ({ layer, sigma: 1, correlation: 0.5, bias, weights }));
  return { v, model: model.sha256, width, fitted_on: 'nothing', pairs: 1, queries: 1, heads };
}

/** A cache of its own, with the path that a fit writes to and one that an earlier version wrote to. */
async function cache(environment: NodeJS.ProcessEnv = {}) {
  const home = await mkdtemp(join(root, 'cache-'));
  const path = fittedHeadsPath(model.sha256, join(home, 'rerank-fleet'));
  await mkdir(dirname(path), { recursive: true });
  const config = loadConfig({ XDG_CACHE_HOME: home, ...environment });
  return {
    path,
    earlier: path.replace(/-\d\.json$/, '-2.json'),
    segments: join(home, 'rerank-fleet', 'segments'),
    start: () => exitAtStart(model, undefined, { config, log }),
  };
}

const cutsOf = (exit: ModelExit | undefined): readonly number[] | undefined => exit?.segmented.cuts;

describe('exitAtStart', () => {
  it('cuts a model after the layers that its heads are for', async () => {
    const { path, start } = await cache();
    expect(await start()).toBeUndefined();
    await writeExitHeads(path, headsFile([1, 3]));
    const exit = await start();
    expect(exit).toMatchObject({ segmented: { cuts: [1, 3], width: BERT.width }, model: { layers: LAYERS, sigmas: [1, 1] } });
    expect(warn).not.toHaveBeenCalled();
  });

  it.each([
    ['is damaged', () => '{"v": 3'],
    ['is of another model', () => JSON.stringify({ ...headsFile([2]), model: 'b'.repeat(64) })],
    ['is for another width', () => JSON.stringify(headsFile([2], { width: BERT.width * 2 }))],
    ['has too few weights', () => JSON.stringify({ ...headsFile([2]), width: BERT.width * 2 })],
  ])('passes over a file that %s, says so, and takes the next one or none', async (_what, content) => {
    const { path, earlier, start } = await cache();
    await writeFile(path, content());
    expect(await start()).toBeUndefined();
    await writeExitHeads(earlier, headsFile([1], { v: 2 }));
    expect(cutsOf(await start())).toEqual([1]);
    expect(warn).toHaveBeenCalledTimes(2);
    for (const call of warn.mock.calls)
      expect(call).toEqual([
        expect.objectContaining({ model: 'layered', path }),
        expect.stringMatching(/`rerank exits fit`, or remove it/),
      ]);
  });

  it('cuts it where DETERMINISTIC is the default too, as a request may say otherwise; with EARLY_EXIT=false it does not', async () => {
    for (const [environment, cuts] of [
      [{ DETERMINISTIC: 'true' }, [2]],
      [{ EARLY_EXIT: 'false' }, undefined],
    ] as const) {
      const { path, start } = await cache(environment);
      await writeExitHeads(path, headsFile([2]));
      expect(cutsOf(await start())).toEqual(cuts);
    }
  });
});

/** The first batch of a pair. */
function firstBatch(): PaddedBatch {
  const state = { pages: Int32Array.of(0), span: [1, 3, 4, 6] as const };
  return padBatch(model.sha256, [{ ids: Int32Array.of(3, 5, 9, 2, 7, 8, 2), typeIds: new Uint8Array(7), state }], 0);
}

async function started(cuts: readonly number[], bias: number) {
  const own = await cache();
  await writeExitHeads(own.path, headsFile(cuts, { bias }));
  const exit = await own.start();
  const inference: InferenceModel = { sha256: model.sha256, onnxPath: model.onnxPath, output: OUTPUT, segmented: exit!.segmented };
  return { ...own, inference };
}

async function startPool(inference: InferenceModel, threads: number): Promise<InferencePool> {
  const fail = (detail: string): never => expect.fail(detail);
  return await InferencePool.start({ models: [inference], ...ON_CPU, threads, batchTimeoutMs: 20_000, onHang: fail, onThreadDeath: fail });
}

describe('segments that are first used after the start', () => {
  it('predict by the heads of the start, whether others were fitted since or the file is gone', async () => {
    const { path, inference } = await started([1, 3], 0.25);
    for (const change of [
      () => writeExitHeads(path, headsFile([1, 3], { bias: 7 })),
      () => writeExitHeads(path, headsFile([2])),
      () => rm(path),
    ]) {
      await change();
      const variants = await ModelVariants.load(inference, ON_CPU);
      expect(Array.from((await variants.run(firstBatch())).values)).toEqual([0.25]);
      await variants.release();
    }
  });

  it('are cut again where somebody deleted them', async () => {
    const { segments, inference } = await started([1, 3], 0.5);
    await rm(segments, { recursive: true });
    // Two threads find out at the same time.
    const pool = await startPool(inference, 2);
    const outputs = await Promise.all(pool.runners.map((runner) => runner.run(firstBatch())));
    expect(outputs.map(({ values }) => Array.from(values))).toEqual([[0.5], [0.5]]);
    const folder = dirname(inference.segmented!.segments[0]!.path);
    expect((await readdir(folder)).toSorted()).toEqual(['0.onnx', '1.onnx', '2.onnx', 'segments.json']);
    await pool.close();
  });

  it('are released when one of them cannot be loaded, and not tried again for a minute', async () => {
    const { inference } = await started([1, 3], 0.5);
    const last = inference.segmented!.segments[2]!.path;
    await copyFile(last, `${last}.good`);
    await writeFile(last, 'damaged');
    let now = 5_000;
    const variants = await ModelVariants.load(inference, { ...ON_CPU, now: () => now });
    const releases: { readonly mock: { readonly calls: unknown[] } }[] = [];
    const create = InferenceSession.create.bind(InferenceSession) as (...args: unknown[]) => Promise<InferenceSession>;
    const spy = vi.spyOn(InferenceSession, 'create').mockImplementation(async (...args: unknown[]) => {
      const session = await create(...args);
      releases.push(vi.spyOn(session, 'release'));
      return session;
    });
    try {
      for (let batch = 0; batch < 3; batch += 1) await expect(variants.run(firstBatch())).rejects.toThrow(/2\.onnx/);
      now += 59_999;
      await expect(variants.run(firstBatch())).rejects.toThrow(/2\.onnx/);
      expect(releases.map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
      // The whole model runs meanwhile.
      const { segment: _, state: __, ...whole } = firstBatch();
      expect((await variants.run(whole)).values).toHaveLength(1);
      await copyFile(`${last}.good`, last);
      now += 1;
      expect(Array.from((await variants.run(firstBatch())).values)).toEqual([0.5]);
    } finally {
      spy.mockRestore();
      await variants.release();
    }
  });

  it('are no reason to lower a budget where memory ran out as they were loaded', async () => {
    const { inference } = await started([1, 3], 0.5);
    // The runtime names the file, so that it says what it would say without memory.
    const folder = join(root, 'out of memory');
    await mkdir(folder);
    const broken = join(folder, '1.onnx');
    await writeFile(broken, 'damaged');
    const segments = inference.segmented!.segments.map((segment, at) => (at === 1 ? { ...segment, path: broken } : segment));
    const pool = await startPool({ ...inference, segmented: { ...inference.segmented!, segments } }, 1);
    try {
      const error = await pool.runners[0]!.run(firstBatch()).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'model_unavailable', cause: expect.stringContaining('out of memory') as string });
      expect(error).not.toBeInstanceOf(RunnerFault);
      expect(await readFile(broken, 'utf8')).toBe('damaged');
    } finally {
      await pool.close();
    }
  });
});
