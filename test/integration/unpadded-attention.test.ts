import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fuseAttention, separateAttention } from '@rerank-fleet/worker/graph/fuse-attention';
import { decodeOnnxModel, encodeOnnxModel } from '@rerank-fleet/worker/graph/onnx-proto';
import { spellOutSizes } from '@rerank-fleet/worker/graph/spell-out-sizes';
import { OnnxModel } from '@rerank-fleet/worker/inference/onnx-model';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-graph-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('a classifier whose sizes are spelled out', () => {
  it.each(STYLES)('computes none of them, and scores as before: style "%s"', async (style) => {
    const model = decodeOnnxModel(encodeOnnx(tinyBertGraph({ ...CLASSIFIER, style })));
    const shapes = (): number => model.graph.node.filter(({ opType }) => opType === 'Shape').length;
    const before = shapes();
    const changed = spellOutSizes(model);
    expect(changed).toBe(style === 'opaque' ? 0 : BERT.layers);
    // One is for the places of the tokens.
    expect(shapes()).toBe(style === 'opaque' ? before : 1);
    const onnxPath = await writeBert(root, { ...CLASSIFIER, style });
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
      const [before, after] = await both(root, { ...CLASSIFIER, style, quantized }, true);
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
