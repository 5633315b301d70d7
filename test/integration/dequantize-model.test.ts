import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { resolveModel, type ResolveOptions } from '@rerank-fleet/core/models';
import { OnnxModel } from '@rerank-fleet/worker/inference/onnx-model';
import { padBatch, type TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dequantizeModel, writeDequantized } from '../../scripts/lib/dequantize-model.ts';
import { decodeOnnxModel, encodeOnnxModel } from '@rerank-fleet/worker/graph/onnx-proto';
import { writeTinyModel } from '../support/tiny-models/index.js';

/** Rounding of weights and activations to bytes, on logits of about ±8. */
const INT8_TOLERANCE = 0.25;
/** Eleven bits of precision. */
const HALF_TOLERANCE = 0.05;
const PAIRS = ['how to prune the tree', 'apple shares rose in winter', 'pie', 'the best garden in the city of berlin: cut the branch!'];

let root: string;
let models: string;
let options: ResolveOptions;
let int8: ResolvedModel;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-dequantize-'));
  models = join(root, 'models');
  options = { cacheDirectory: join(root, 'cache'), modelsDirectory: models, pull: false };
  for (const kind of ['cross-encoder', 'embedder'] as const) {
    const directory = await writeTinyModel(join(models, kind === 'embedder' ? 'tiny-source' : 'tiny-cross-encoder@int8'), {
      kind,
      layout: 'bert',
      quantized: true,
    });
    for (const precision of ['fp32', 'fp16'] as const) {
      const target = join(models, `tiny-${kind}@${precision}`);
      await writeDequantized({ directory, onnxPath: join(directory, 'model.onnx'), target, precision });
    }
  }
  int8 = await resolveModel('tiny-cross-encoder@int8', options);
});

afterAll(() => rm(root, { recursive: true, force: true }));

function sequences(): TokenSequence[] {
  const encoder = new PairEncoder(TextTokenizer.load(int8.tokenizerPath), int8.maxLength);
  return splitSequences(encoder.encodePairs({ query: 'prune apple tree', passages: PAIRS, policy: 'truncate' }));
}

/** Output rows of the model, with all sequences in one run or each in its own. */
async function run(model: ResolvedModel, together: boolean): Promise<number[]> {
  const output =
    model.kind === 'cross-encoder'
      ? ({ kind: 'logit', labelIndex: 0 } as const)
      : ({ kind: 'vector', pooling: 'mean', normalize: true } as const);
  const session = await OnnxModel.load({ onnxPath: model.onnxPath, output }, { device: 'cpu', intraOpThreads: 1 });
  try {
    const batches = together ? [sequences()] : sequences().map((sequence) => [sequence]);
    const values: number[] = [];
    for (const batch of batches) values.push(...(await session.run(padBatch(model.sha256, batch))).values);
    return values;
  } finally {
    await session.release();
  }
}

const worst = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((value, index) => Math.abs(value - b[index]!)));

describe('a dequantized cross-encoder', () => {
  it('has the logits of the int8 file but for its rounding of activations, in fp32 and in fp16', async () => {
    const [quantized, float, half] = [
      await run(int8, false),
      await run(await resolveModel('tiny-cross-encoder@fp32', options), false),
      await run(await resolveModel('tiny-cross-encoder@fp16', options), false),
    ];
    expect(quantized).toHaveLength(PAIRS.length);
    expect(Math.max(...quantized) - Math.min(...quantized)).toBeGreaterThan(1);
    expect(worst(quantized, float)).toBeGreaterThan(0);
    expect(worst(quantized, float)).toBeLessThanOrEqual(INT8_TOLERANCE);
    expect(worst(float, half)).toBeGreaterThan(0);
    expect(worst(float, half)).toBeLessThanOrEqual(HALF_TOLERANCE);
  });

  it('no longer lets batch mates into a score, as the int8 file does', async () => {
    const float = await resolveModel('tiny-cross-encoder@fp32', options);
    expect(worst(await run(int8, true), await run(int8, false))).toBeGreaterThan(1e-3);
    expect(worst(await run(float, true), await run(float, false))).toBeLessThanOrEqual(1e-5);
  });

  it('keeps the files beside the graph, and no record of another folder', async () => {
    const names = await readdir(join(models, 'tiny-cross-encoder@fp16'));
    expect(names.sort()).toEqual(['config.json', 'model_fp16.onnx', 'tokenizer.json', 'tokenizer_config.json']);
  });
});

it('gives an embedder the vectors of the int8 file, in both precisions', async () => {
  const [quantized, float, half] = [
    await run(await resolveModel('tiny-source', options), false),
    await run(await resolveModel('tiny-embedder@fp32', options), false),
    await run(await resolveModel('tiny-embedder@fp16', options), false),
  ];
  expect(worst(quantized, float)).toBeLessThanOrEqual(1e-3);
  expect(worst(float, half)).toBeLessThanOrEqual(5e-3);
});

describe('MODELS_DIR with every precision', () => {
  it.each([
    ['cpu', 'int8'],
    ['cuda', 'fp16'],
    ['webgpu', 'fp16'],
  ] as const)('gives %s the %s file, and any other that is asked for', async (device, precision) => {
    expect(await resolveModel('tiny-cross-encoder', { ...options, device })).toMatchObject({ name: 'tiny-cross-encoder', precision });
    for (const asked of ['int8', 'fp16', 'fp32'] as const)
      expect(await resolveModel(`tiny-cross-encoder@${asked}`, { ...options, device })).toMatchObject({ precision: asked });
  });
});

describe('what cannot be dequantized', () => {
  it('is refused when the file is no model', () => {
    expect(() => dequantizeModel(Buffer.from('no model at all'), 'fp32')).toThrow();
    expect(() => dequantizeModel(new Uint8Array(0), 'fp32')).toThrow('no ONNX model');
  });

  it('is refused when something else is quantized than products by constants and rows of tables', async () => {
    const model = decodeOnnxModel(await readFile(int8.onnxPath));
    const quantizer = model.graph.node.find(({ opType }) => opType === 'DynamicQuantizeLinear')!;
    quantizer.opType = 'QuantizeLinear';
    expect(() => dequantizeModel(encodeOnnxModel(model), 'fp32')).toThrow('dynamically quantized');
  });
});
