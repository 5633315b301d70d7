import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { digestFile } from '@rerank-fleet/core/models';
import { createLogger } from '@rerank-fleet/core/observability';
import { fastVariant } from '@rerank-fleet/worker/composition/fast-variant';
import { fuseAttention, separateAttention } from '@rerank-fleet/worker/graph/fuse-attention';
import { narrowLastLayer } from '@rerank-fleet/worker/graph/narrow-last-layer';
import { decodeOnnxModel, ELEMENT, encodeOnnxModel, tensor } from '@rerank-fleet/worker/graph/onnx-proto';
import { spellOutSizes } from '@rerank-fleet/worker/graph/spell-out-sizes';
import { rewriteModel } from '@rerank-fleet/worker/graph/rewrite-model';
import { buildGraph } from '@rerank-fleet/worker/inference/build-graph';
import { InferencePool } from '@rerank-fleet/worker/inference/inference-pool';
import { ModelVariants } from '@rerank-fleet/worker/inference/model-variants';
import { OnnxModel } from '@rerank-fleet/worker/inference/onnx-model';
import { padBatch, type TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import type { EncodedPairs, SequenceEncoder } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BERT, encodeOnnx, tinyBertGraph, type TinyBertOptions } from '../support/tiny-models/index.js';

const OUTPUT = { kind: 'logit', labelIndex: 0 } as const;
const ON_CPU = { device: 'cpu', intraOpThreads: 1 } as const;
const CLASSIFIER: TinyBertOptions = { head: 'classifier', style: 'sizes', quantized: false };
const STYLES = ['sizes', 'constants', 'opaque', 'spelled', 'inferred'] as const;
/** Of float arithmetic in another order. */
const FLOAT_TOLERANCE = 1e-5;
/** Of a scale of activations that is taken over first tokens alone; the logits of the tiny model lie within about ± 3. */
const INT8_TOLERANCE = 0.15;

let root: string;
const log = createLogger({ level: 'error', process: 'test' });

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-graph-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const sequenceOf = (ids: readonly number[]): TokenSequence => ({ ids: Int32Array.from(ids), typeIds: new Uint8Array(ids.length) });
const sequences = fc
  .array(fc.array(fc.nat(BERT.words - 1), { minLength: 1, maxLength: BERT.positions }), { minLength: 1, maxLength: 6 })
  .map((batch) => batch.map(sequenceOf));
const SAMPLES = [[1], [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2], Array.from({ length: 40 }, (_, at) => (at * 7) % BERT.words)].map(
  sequenceOf,
);

async function writeBert(options: TinyBertOptions): Promise<string> {
  const path = join(root, `${randomUUID()}.onnx`);
  await writeFile(path, encodeOnnx(tinyBertGraph(options)));
  return path;
}

/** The original and its rewritten graph, loaded. */
async function both(options: TinyBertOptions, fusesAttention = false): Promise<readonly [OnnxModel, OnnxModel]> {
  const onnxPath = await writeBert(options);
  const rewritten = rewriteModel(await readFile(onnxPath), { fusesAttention });
  if ('unrecognised' in rewritten) throw new Error(rewritten.unrecognised);
  await writeFile(`${onnxPath}.fast`, rewritten.bytes);
  return (await Promise.all([onnxPath, `${onnxPath}.fast`].map((path) => OnnxModel.load({ onnxPath: path, output: OUTPUT }, ON_CPU)))) as [
    OnnxModel,
    OnnxModel,
  ];
}

const logits = async (model: OnnxModel, batch: readonly TokenSequence[]): Promise<number[]> =>
  Array.from((await model.run(padBatch('', batch))).values);

const largestDifference = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, at) => Math.abs(value - b[at]!)));

describe('a classifier whose last layer is narrowed', () => {
  it.each(STYLES)('scores as before, whatever the batch, its lengths and its padding, in graphs of the style "%s"', async (style) => {
    const [before, after] = await both({ ...CLASSIFIER, style });
    await fc.assert(
      fc.asyncProperty(sequences, async (batch) => {
        expect(largestDifference(await logits(before, batch), await logits(after, batch))).toBeLessThanOrEqual(FLOAT_TOLERANCE);
      }),
      { numRuns: 40 },
    );
    await Promise.all([before.release(), after.release()]);
  });

  it.each(STYLES)('scores nearly as before when it is int8, in graphs of the style "%s"', async (style) => {
    const [before, after] = await both({ ...CLASSIFIER, style, quantized: true });
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
    const [, after] = await both(CLASSIFIER);
    const values = await logits(after, SAMPLES);
    expect(new Set(values.map((value) => value.toFixed(3))).size).toBe(SAMPLES.length);
    await after.release();
  });
});

describe('a classifier whose sizes are spelled out', () => {
  it.each(STYLES)('computes none of them, and scores as before: style "%s"', async (style) => {
    const model = decodeOnnxModel(encodeOnnx(tinyBertGraph({ ...CLASSIFIER, style })));
    const shapes = (): number => model.graph.node.filter(({ opType }) => opType === 'Shape').length;
    const before = shapes();
    const changed = spellOutSizes(model);
    expect(changed).toBe(style === 'opaque' ? 0 : BERT.layers);
    // One is for the places of the tokens.
    expect(shapes()).toBe(style === 'opaque' ? before : 1);
    const onnxPath = await writeBert({ ...CLASSIFIER, style });
    await writeFile(`${onnxPath}.sizes`, encodeOnnxModel(model));
    const [whole, spelled] = await Promise.all(
      [onnxPath, `${onnxPath}.sizes`].map((path) => OnnxModel.load({ onnxPath: path, output: OUTPUT }, ON_CPU)),
    );
    await fc.assert(
      fc.asyncProperty(sequences, async (batch) => {
        expect(largestDifference(await logits(whole!, batch), await logits(spelled!, batch))).toBeLessThanOrEqual(FLOAT_TOLERANCE);
      }),
      { numRuns: 20 },
    );
    await Promise.all([whole!.release(), spelled!.release()]);
  });
});

describe('a classifier with a way of its own for batches without padding', () => {
  const alike = fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: BERT.positions }))
    .chain(([pairs, tokens]) =>
      fc.array(fc.array(fc.nat(BERT.words - 1), { minLength: tokens, maxLength: tokens }), { minLength: pairs, maxLength: pairs }),
    )
    .map((batch) => batch.map(sequenceOf));
  const FUSIBLE = STYLES.filter((style) => style !== 'opaque');
  const fusedIn = (options: Partial<TinyBertOptions>): number =>
    fuseAttention(decodeOnnxModel(encodeOnnx(tinyBertGraph({ ...CLASSIFIER, ...options }))));

  it.each(FUSIBLE.flatMap((style) => [false, true].map((quantized) => [style, quantized ? 'int8' : 'fp32', quantized] as const)))(
    'scores as before, padded or not: style "%s" in %s',
    async (style, _precision, quantized) => {
      const [before, after] = await both({ ...CLASSIFIER, style, quantized }, true);
      await fc.assert(
        fc.asyncProperty(fc.oneof(sequences, alike), async (batch) => {
          const tolerance = quantized ? INT8_TOLERANCE : FLOAT_TOLERANCE;
          expect(largestDifference(await logits(before, batch), await logits(after, batch))).toBeLessThanOrEqual(tolerance);
        }),
        { numRuns: 40 },
      );
      await Promise.all([before.release(), after.release()]);
    },
  );

  it.each(FUSIBLE.flatMap((style) => (['plain', 'bert', 'xlm-roberta'] as const).map((family) => [style, family] as const)))(
    'has each attention in one node: style "%s", family "%s"',
    (style, family) => {
      expect(fusedIn({ style, family, layers: 3 })).toBe(3);
    },
  );

  it('has the weights of both ways once', () => {
    const bytes = encodeOnnx(tinyBertGraph(CLASSIFIER));
    const model = decodeOnnxModel(bytes);
    fuseAttention(model);
    expect(model.graph.initializer).toHaveLength(decodeOnnxModel(bytes).graph.initializer.length);
    expect(model.graph.node.map(({ opType }) => opType)).toEqual(['ReduceMin', 'Cast', 'If']);
    const operations = model.graph.node[2]!.attribute.map(({ g }) => g!.node.map(({ opType }) => opType));
    expect(operations.map((types) => types.filter((type) => type === 'MultiHeadAttention').length)).toEqual([BERT.layers, 0]);
    expect(operations.map((types) => types.filter((type) => type === 'Softmax').length)).toEqual([0, BERT.layers]);
  });

  it.each([
    ['tokens see their neighbours alone, which the mask says', { reach: 3 }],
    ['there is a node that is not known', { style: 'opaque' }],
  ] as const)('is not made where %s', (_what, options) => {
    expect(fusedIn(options)).toBe(0);
  });

  it('is not made twice, and can be taken away again', () => {
    const model = decodeOnnxModel(encodeOnnx(tinyBertGraph(CLASSIFIER)));
    const before = model.graph.node.map(({ opType, input, output }) => ({ opType, input: [...input], output: [...output] }));
    expect(separateAttention(model)).toBe(false);
    expect(fuseAttention(model)).toBe(BERT.layers);
    expect(fuseAttention(model)).toBe(0);
    expect(separateAttention(model)).toBe(true);
    expect(model.graph.node.map(({ opType, input, output }) => ({ opType, input, output }))).toEqual(before);
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
      onnxPath: await writeBert(CLASSIFIER),
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
    const onnxPath = await writeBert({ ...CLASSIFIER, quantized: true });
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
    const onnxPath = await writeBert(options);
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
    const [file, fast] = await Promise.all([1, 2].map((seed) => writeBert({ ...CLASSIFIER, seed })));
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
