import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { digestFile } from '@rerank-fleet/core/models';
import { createLogger } from '@rerank-fleet/core/observability';
import { fastVariant } from '@rerank-fleet/worker/composition/fast-variant';
import { fuseAttention } from '@rerank-fleet/worker/graph/fuse-attention';
import { narrowLastLayer } from '@rerank-fleet/worker/graph/narrow-last-layer';
import { decodeOnnxModel, ELEMENT, encodeOnnxModel, tensor } from '@rerank-fleet/worker/graph/onnx-proto';
import { rewriteModel } from '@rerank-fleet/worker/graph/rewrite-model';
import { buildGraph } from '@rerank-fleet/worker/inference/build-graph';
import { InferencePool } from '@rerank-fleet/worker/inference/inference-pool';
import { ModelVariants } from '@rerank-fleet/worker/inference/model-variants';
import { OnnxModel } from '@rerank-fleet/worker/inference/onnx-model';
import { padBatch } from '@rerank-fleet/worker/pipeline/batch-runner';
import type { EncodedPairs, SequenceEncoder } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BERT, encodeOnnx, tinyBertGraph, type TinyBertOptions } from '../support/tiny-models/index.js';
import {
  both,
  CLASSIFIER,
  FLOAT_TOLERANCE,
  INT8_TOLERANCE,
  largestDifference,
  logits,
  ON_CPU,
  OUTPUT,
  sequenceOf,
  sequences,
  STYLES,
  writeBert,
} from './fast-graph-support.js';

const log = createLogger({ level: 'error', process: 'test' });
const SAMPLES = [[1], [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2], Array.from({ length: 40 }, (_, at) => (at * 7) % BERT.words)].map(
  sequenceOf,
);

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-graph-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('a classifier whose last layer is narrowed', () => {
  it.each(STYLES)('scores as before, whatever the batch, its lengths and its padding, in graphs of the style "%s"', async (style) => {
    const [before, after] = await both(root, { ...CLASSIFIER, style });
    await fc.assert(
      fc.asyncProperty(sequences, async (batch) => {
        expect(largestDifference(await logits(before, batch), await logits(after, batch))).toBeLessThanOrEqual(FLOAT_TOLERANCE);
      }),
      { numRuns: 40 },
    );
    await Promise.all([before.release(), after.release()]);
  });

  it.each(STYLES)('scores nearly as before when it is int8, in graphs of the style "%s"', async (style) => {
    const [before, after] = await both(root, { ...CLASSIFIER, style, quantized: true });
    await fc.assert(
      fc.asyncProperty(sequences, async (batch) => {
        expect(largestDifference(await logits(before, batch), await logits(after, batch))).toBeLessThanOrEqual(INT8_TOLERANCE);
      }),
      { numRuns: 40 },
    );
    await Promise.all([before.release(), after.release()]);
  });

  it.each([
    ['sizes', 4],
    ['constants', 4],
    ['spelled', 4],
    ['inferred', 4],
    ['opaque', 3],
  ] as const)('has products for one token, down to the first node that is not known: style "%s", %i of them', (style, products) => {
    const model = decodeOnnxModel(encodeOnnx(tinyBertGraph({ ...CLASSIFIER, style })));
    expect(narrowLastLayer(model)).toMatchObject({ products });
  });

  it('tells pairs apart', async () => {
    const [, after] = await both(root, CLASSIFIER);
    const values = await logits(after, SAMPLES);
    expect(new Set(values.map((value) => value.toFixed(3))).size).toBe(SAMPLES.length);
    await after.release();
  });
});

describe('a graph of which more than one token is read', () => {
  it.each(['mean', 'hidden', 'leaky'] as const)('is left as it is: %s', (head) => {
    const model = decodeOnnxModel(encodeOnnx(tinyBertGraph({ ...CLASSIFIER, head })));
    const before = encodeOnnxModel(model);
    expect(narrowLastLayer(model)).toBeUndefined();
    expect(encodeOnnxModel(model)).toEqual(before);
  });
});

describe('a graph of which nothing is known', () => {
  it.each([
    ['no graph at all', Uint8Array.of(1, 2, 3), /./],
    [
      'neither a layer that can be narrowed nor an attention',
      encodeOnnx(tinyBertGraph({ ...CLASSIFIER, head: 'mean', style: 'opaque' })),
      /No last layer/,
    ],
  ])('is left as it is: %s', (_what, bytes, reason) => {
    const rewritten = rewriteModel(bytes, { fusesAttention: true });
    expect('unrecognised' in rewritten && rewritten.unrecognised).toMatch(reason);
  });
});

describe('buildGraph', () => {
  it('puts a graph in its place that scores as the original does, and says how nearly', async () => {
    const target = join(root, 'built', 'graph.onnx');
    const record = await buildGraph({
      onnxPath: await writeBert(root, CLASSIFIER),
      output: OUTPUT,
      precision: 'fp32',
      samples: SAMPLES,
      fusesAttention: true,
      target,
    });
    expect(record).toMatchObject({ outcome: 'rewritten', fusedAttentions: BERT.layers, sha256: (await digestFile(target)).sha256 });
    expect(record).toHaveProperty('worst', expect.closeTo(0, 4));
    expect(await readdir(join(root, 'built'))).toEqual(['graph.onnx']);
  });

  it('does without attention in one node where the runtime cannot compute it', async () => {
    const model = decodeOnnxModel(encodeOnnx(tinyBertGraph({ ...CLASSIFIER, style: 'constants' })));
    const projection = model.graph.node.find(({ output }) => output[0] === 'layer0_query_product')!;
    const [hidden] = projection.input;
    const bounds = [tensor('zero', [1], ELEMENT.int64, BigInt64Array.of(0n)), tensor('one', [1], ELEMENT.int64, BigInt64Array.of(1n))];
    model.graph.initializer.push(...bounds);
    // One query for all: products know what to do with one row and many, the kernel does not.
    const shared = {
      opType: 'Slice',
      name: 'shared',
      domain: '',
      input: [hidden!, 'zero', 'one', 'zero'],
      output: ['shared'],
      attribute: [],
    };
    model.graph.node.splice(model.graph.node.indexOf(projection), 0, shared);
    projection.input[0] = 'shared';
    expect(fuseAttention(structuredClone(model))).toBe(BERT.layers);
    const onnxPath = join(root, `${randomUUID()}.onnx`);
    await writeFile(onnxPath, encodeOnnxModel(model));
    const target = join(root, 'separate', 'graph.onnx');
    const record = await buildGraph({ onnxPath, output: OUTPUT, precision: 'fp32', samples: SAMPLES, fusesAttention: true, target });
    expect(record).toMatchObject({ outcome: 'rewritten', fusedAttentions: 0 });
    expect(await readdir(join(root, 'separate'))).toEqual(['graph.onnx']);
  });

  it('discards a graph whose scores are off, and leaves no file', async () => {
    const target = join(root, 'discarded', 'graph.onnx');
    // What int8 changes is more than float may.
    const onnxPath = await writeBert(root, { ...CLASSIFIER, quantized: true });
    const record = await buildGraph({ onnxPath, output: OUTPUT, precision: 'fp32', samples: SAMPLES, fusesAttention: true, target });
    expect(record).toMatchObject({ outcome: 'discarded', detail: expect.stringContaining('off by') as string });
    expect(await readdir(join(root, 'discarded'))).toEqual([]);
  });
});

/** The ids of a word are its letters. */
const encoder: Pick<SequenceEncoder, 'encodePairs'> = {
  encodePairs: async (_model, { query, passages }): Promise<EncodedPairs> => {
    const ids = passages.map((passage) =>
      Array.from(`${query}|${passage}`.slice(0, BERT.positions), (letter) => letter.charCodeAt(0) % BERT.words),
    );
    const lengths = Int32Array.from(ids, ({ length }) => length);
    const flat = Int32Array.from(ids.flat());
    return await Promise.resolve({ ids: flat, typeIds: new Uint8Array(flat.length), lengths, truncated: new Uint8Array(ids.length) });
  },
};

describe('fastVariant', () => {
  async function given(options: TinyBertOptions, environment: NodeJS.ProcessEnv = {}) {
    const cacheHome = await mkdtemp(join(root, 'cache-'));
    const onnxPath = await writeBert(root, options);
    const { sha256 } = await digestFile(onnxPath);
    const model = {
      kind: 'cross-encoder',
      name: 'tiny-bert',
      precision: options.quantized ? 'int8' : 'fp32',
      onnxPath,
      sha256,
    } as ResolvedModel;
    const config = loadConfig({ XDG_CACHE_HOME: cacheHome, ...environment });
    const folder = join(cacheHome, 'rerank-fleet', 'graphs');
    const ask = async (more: Partial<ResolvedModel> = {}) =>
      await fastVariant({ ...model, ...more }, { config, log, encoder: encoder as SequenceEncoder, leastBytes: 0 });
    return { ask, folder, onnxPath, files: async () => (await readdir(folder).catch(() => [])).toSorted() };
  }

  it('writes the graph once, beside what it knows of it', async () => {
    const { ask, folder, files } = await given(CLASSIFIER);
    const first = await ask();
    expect(first).toMatchObject({
      name: 'graph-2 no-SkipLayerNormFusion',
      withoutOptimizers: ['SkipLayerNormFusion'],
      separateFrom: { whole: 96, segments: 128 },
    });
    expect(await files()).toHaveLength(2);
    const before = await stat(first!.onnxPath);
    expect(first!.onnxPath.startsWith(folder)).toBe(true);
    expect(await ask()).toEqual(first);
    expect((await stat(first!.onnxPath)).ino).toBe(before.ino);
  });

  it('has no way of its own for batches without padding on a GPU, whose kernels have masks', async () => {
    const variant = async (device: string) => {
      const { onnxPath, separateFrom } = (await (await given(CLASSIFIER, { DEVICE: device })).ask())!;
      const { graph } = decodeOnnxModel(await readFile(onnxPath));
      return { hasBranches: graph.node.some(({ opType }) => opType === 'If'), isSeparate: separateFrom !== undefined };
    };
    expect(await variant('cpu')).toEqual({ hasBranches: true, isSeparate: true });
    expect(await variant('webgpu')).toEqual({ hasBranches: false, isSeparate: false });
  });

  it('writes it anew where the file is damaged or gone, or what is known of it is', async () => {
    const { ask, folder, files } = await given({ ...CLASSIFIER, quantized: true });
    const { onnxPath } = (await ask())!;
    const bytes = await readFile(onnxPath);
    await writeFile(onnxPath, bytes.subarray(0, bytes.length >> 1));
    await ask();
    expect(await readFile(onnxPath)).toEqual(bytes);
    await rm(onnxPath);
    await ask();
    expect(await readFile(onnxPath)).toEqual(bytes);
    await writeFile(
      join(
        folder,
        (await files()).find((name) => name.endsWith('.json'))!,
      ),
      '{',
    );
    await ask();
    expect(await files()).toHaveLength(2);
  });

  it('is whole when two workers write it at the same time', async () => {
    const { ask, files } = await given(CLASSIFIER);
    const [one, other] = await Promise.all([ask(), ask()]);
    expect(one).toEqual(other);
    expect(await files()).toHaveLength(2);
    const model = await OnnxModel.load({ ...one!, output: OUTPUT }, ON_CPU);
    expect(await logits(model, SAMPLES)).toHaveLength(SAMPLES.length);
    await model.release();
  });

  it('is the file without the slow fusion where the graph is not known, which is found out once and is no warning', async () => {
    const { ask, onnxPath, files } = await given({ ...CLASSIFIER, head: 'mean', style: 'opaque' });
    const warn = vi.spyOn(log, 'warn');
    for (let start = 0; start < 2; start += 1)
      expect(await ask()).toEqual({ name: 'no-SkipLayerNormFusion', onnxPath, withoutOptimizers: ['SkipLayerNormFusion'] });
    expect(warn).not.toHaveBeenCalled();
    expect(await files()).toEqual([expect.stringMatching(/\.json$/)]);
  });

  it('warns and runs the file where the rewritten graph scores otherwise', async () => {
    const { ask, onnxPath } = await given({ ...CLASSIFIER, quantized: true });
    const warn = vi.spyOn(log, 'warn').mockReturnValue();
    expect(await ask({ precision: 'fp32' })).toMatchObject({ onnxPath });
    expect(warn).toHaveBeenCalledOnce();
    warn.mockRestore();
  });

  it.each([
    ['FAST_GRAPH=false', { FAST_GRAPH: 'false' }],
    ['DETERMINISTIC=true', { DETERMINISTIC: 'true' }],
  ])('is none with %s', async (_setting, environment) => {
    const { ask, files } = await given(CLASSIFIER, environment);
    expect(await ask()).toBeUndefined();
    expect(await files()).toEqual([]);
  });

  it('is none of an embedder', async () => {
    expect(await (await given({ ...CLASSIFIER, head: 'hidden' })).ask({ kind: 'embedder' })).toBeUndefined();
  });
});

describe('a model with a faster variant', () => {
  /** Two classifiers of other weights, so that it shows which of them ran. */
  async function variants() {
    const [file, fast] = await Promise.all([1, 2].map((seed) => writeBert(root, { ...CLASSIFIER, seed })));
    const model = { sha256: 'a', onnxPath: file!, output: OUTPUT, fast: { name: 'fast', onnxPath: fast!, withoutOptimizers: [] } };
    const alone = async (onnxPath: string): Promise<number[]> => {
      const session = await OnnxModel.load({ onnxPath, output: OUTPUT }, ON_CPU);
      const values = await logits(session, SAMPLES);
      await session.release();
      return values;
    };
    return { model, ofFile: await alone(file!), ofFast: await alone(fast!) };
  }

  it('runs it unless a batch is to equal the reference', async () => {
    const { model, ofFile, ofFast } = await variants();
    const fail = (detail: string): never => {
      throw new Error(detail);
    };
    const pool = await InferencePool.start({
      models: [model],
      ...ON_CPU,
      threads: 1,
      batchTimeoutMs: 20_000,
      onHang: fail,
      onThreadDeath: fail,
    });
    const run = async (reference?: boolean): Promise<number[]> =>
      Array.from((await pool.runners[0]!.run({ ...padBatch('a', SAMPLES), ...(reference === undefined ? {} : { reference }) })).values);
    expect(await run()).toEqual(ofFast);
    expect(await run(true)).toEqual(ofFile);
    expect(await run(false)).toEqual(ofFast);
    await pool.close();
  });

  it('loads the file with the first batch that asks for it, and tries again when that failed', async () => {
    const { model, ofFile } = await variants();
    const away = `${model.onnxPath}.later`;
    const loaded = await ModelVariants.load({ ...model, onnxPath: away }, ON_CPU);
    const batch = { ...padBatch('a', SAMPLES), reference: true };
    await expect(loaded.run(batch)).rejects.toThrow(/later/);
    await writeFile(away, await readFile(model.onnxPath));
    expect(Array.from((await loaded.run(batch)).values)).toEqual(ofFile);
    await loaded.release();
  });
});
