import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { digestFile } from '@rerank-fleet/core/models';
import { createLogger } from '@rerank-fleet/core/observability';
import { fastVariant } from '@rerank-fleet/worker/composition/fast-variant';
import { narrowLastLayer } from '@rerank-fleet/worker/graph/narrow-last-layer';
import { decodeOnnxModel } from '@rerank-fleet/worker/graph/onnx-proto';
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
const STYLES = ['sizes', 'constants', 'opaque', 'spelled'] as const;
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
async function both(options: TinyBertOptions): Promise<readonly [OnnxModel, OnnxModel]> {
  const onnxPath = await writeBert(options);
  const rewritten = rewriteModel(await readFile(onnxPath));
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

describe('a graph of which more than one token is read', () => {
  it.each(['mean', 'hidden', 'leaky'] as const)('is left as it is: %s', (head) => {
    expect(rewriteModel(encodeOnnx(tinyBertGraph({ ...CLASSIFIER, head })))).toEqual({
      unrecognised: 'No last layer was found of which the first token alone is read.',
    });
  });

  it('is left as it is when it is no graph at all', () => {
    expect(rewriteModel(Uint8Array.of(1, 2, 3))).toHaveProperty('unrecognised');
  });
});

describe('buildGraph', () => {
  it('puts a graph in its place that scores as the original does, and says how nearly', async () => {
    const target = join(root, 'built', 'graph.onnx');
    const record = await buildGraph({ onnxPath: await writeBert(CLASSIFIER), output: OUTPUT, precision: 'fp32', samples: SAMPLES, target });
    expect(record).toMatchObject({ outcome: 'rewritten', sha256: (await digestFile(target)).sha256 });
    expect(record).toHaveProperty('worst', expect.closeTo(0, 4));
    expect(await readdir(join(root, 'built'))).toEqual(['graph.onnx']);
  });

  it('discards a graph whose scores are off, and leaves no file', async () => {
    const target = join(root, 'discarded', 'graph.onnx');
    // What int8 changes is more than float may.
    const onnxPath = await writeBert({ ...CLASSIFIER, quantized: true });
    const record = await buildGraph({ onnxPath, output: OUTPUT, precision: 'fp32', samples: SAMPLES, target });
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
    expect(first).toMatchObject({ name: 'narrow-1 no-SkipLayerNormFusion', withoutOptimizers: ['SkipLayerNormFusion'] });
    expect(await files()).toHaveLength(2);
    const before = await stat(first!.onnxPath);
    expect(first!.onnxPath.startsWith(folder)).toBe(true);
    expect(await ask()).toEqual(first);
    expect((await stat(first!.onnxPath)).ino).toBe(before.ino);
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
    const { ask, onnxPath, files } = await given({ ...CLASSIFIER, head: 'mean' });
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
