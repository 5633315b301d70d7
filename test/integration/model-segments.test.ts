import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countLayers, cutModel } from '@rerank-fleet/worker/exits/cut-model';
import { openSegmentsInProcess } from '@rerank-fleet/worker/exits/open-segments-in-process';
import { openSegments } from '@rerank-fleet/worker/exits/segment-cache';
import type { CutRefusal, SegmentSet } from '@rerank-fleet/worker/exits/segment-set';
import { decodeOnnxModel, encodeOnnxModel, type OnnxModel as OnnxFile } from '@rerank-fleet/worker/graph/onnx-proto';
import { rewriteModel } from '@rerank-fleet/worker/graph/rewrite-model';
import { OnnxModel } from '@rerank-fleet/worker/inference/onnx-model';
import { SegmentRunner } from '@rerank-fleet/worker/inference/segment-runner';
import { padBatch, type TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { halveGraph } from '../../scripts/lib/halve-graph.ts';
import { BERT, encodeOnnx, tinyBertGraph, tinyModernBertGraph, type TinyBertOptions } from '../support/tiny-models/index.js';

const UNFUSED = ['SkipLayerNormFusion'];
const LAYERS = 4;
/** A CPU computes half floats as single ones, and rounds where it likes in the whole graph, but at every cut between segments. */
const HALF_TOLERANCE = 2e-3;
const encoder = (options: Partial<TinyBertOptions>): Uint8Array =>
  encodeOnnx(tinyBertGraph({ head: 'classifier', style: 'sizes', quantized: false, layers: LAYERS, ...options }));
const FAMILIES = {
  'BERT, shapes computed': (quantized: boolean) => encoder({ family: 'bert', quantized }),
  'BERT, shapes constant': (quantized: boolean) => encoder({ family: 'bert', style: 'constants', quantized }),
  'XLM-RoBERTa, shapes computed': (quantized: boolean) => encoder({ family: 'xlm-roberta', quantized }),
  'XLM-RoBERTa, sizes spelled out': (quantized: boolean) => encoder({ family: 'xlm-roberta', style: 'spelled', quantized }),
  'BERT, the mean read': (quantized: boolean) => encoder({ family: 'bert', head: 'mean', quantized }),
  ModernBERT: (quantized: boolean) => encodeOnnx(tinyModernBertGraph({ quantized })),
} as const;
const PRECISIONS = {
  fp32: (make: (quantized: boolean) => Uint8Array) => make(false),
  fp16: (make: (quantized: boolean) => Uint8Array) => edited(make(false), ({ graph }) => halveGraph(graph)),
  int8: (make: (quantized: boolean) => Uint8Array) => make(true),
} as const;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-segments-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

function edited(bytes: Uint8Array, edit: (model: OnnxFile) => void): Uint8Array {
  const model = decodeOnnxModel(bytes);
  edit(model);
  return encodeOnnxModel(model);
}

function rewrite(bytes: Uint8Array, fusesAttention: boolean): Uint8Array {
  const rewritten = rewriteModel(bytes, { fusesAttention });
  if ('unrecognised' in rewritten) throw new Error(rewritten.unrecognised);
  return rewritten.bytes;
}

const sequenceOf = (length: number, first: number): TokenSequence => ({
  ids: Int32Array.from({ length }, (_, at) => 2 + ((first + at * 7) % (BERT.words - 2))),
  typeIds: Uint8Array.from({ length }, (_, at) => (at > length / 2 ? 1 : 0)),
});
const BATCHES = [[sequenceOf(9, 1)], [sequenceOf(17, 5), sequenceOf(4, 2), sequenceOf(11, 3)], [sequenceOf(30, 8), sequenceOf(30, 4)]];

async function written(bytes: Uint8Array): Promise<string> {
  const path = join(root, `${randomUUID()}.onnx`);
  await writeFile(path, bytes);
  return path;
}

function cut(opened: SegmentSet | CutRefusal | undefined): SegmentSet {
  if (opened === undefined || 'refused' in opened) throw new Error(opened?.refused ?? 'nothing');
  return opened;
}

const given = async (bytes: Uint8Array, cuts: readonly number[]) => {
  const onnxPath = await written(bytes);
  const cacheDirectory = join(root, randomUUID());
  return { onnxPath, cacheDirectory, cuts, folder: join(cacheDirectory, 'segments') };
};

const runnerOf = (set: SegmentSet, withoutOptimizers: readonly string[]): Promise<SegmentRunner> =>
  SegmentRunner.load({ set, withoutOptimizers, labelIndex: 0, device: 'cpu', intraOpThreads: 1 });

interface Comparison {
  readonly withoutOptimizers: readonly string[];
  /** @defaultValue 0: bit for bit */
  readonly tolerance?: number;
}

async function expectEqual(bytes: Uint8Array, cuts: readonly number[], { withoutOptimizers, tolerance = 0 }: Comparison): Promise<void> {
  const job = await given(bytes, cuts);
  const set = cut(await openSegments(job));
  const source = { onnxPath: job.onnxPath, withoutOptimizers, output: { kind: 'logit', labelIndex: 0 } as const };
  const whole = await OnnxModel.load(source, { device: 'cpu', intraOpThreads: 1 });
  const segments = await runnerOf(set, withoutOptimizers);
  for (const batch of BATCHES) {
    const shapes: number[] = [];
    const logits = await segments.run(padBatch('', batch), ({ size }) => Promise.resolve(void shapes.push(size)));
    const { values } = await whole.run(padBatch('', batch));
    expect(Math.max(...values.map((value, row) => Math.abs(value - logits[row]!)))).toBeLessThanOrEqual(tolerance);
    const longest = Math.max(...batch.map(({ ids }) => ids.length));
    expect(shapes).toEqual(cuts.map(() => batch.length * longest * BERT.width));
  }
  await whole.release();
  await segments.release();
}

describe.each(Object.entries(FAMILIES))('a model of the family %s', (_family, make) => {
  it.each(Object.entries(PRECISIONS))('gives the logits of the whole when cut, in %s', async (precision, precise) => {
    const tolerance = precision === 'fp16' ? HALF_TOLERANCE : 0;
    for (const cuts of [[1], [1, 2]]) await expectEqual(precise(make), cuts, { withoutOptimizers: UNFUSED, tolerance });
  });

  it('takes nothing of the texts behind the first cut', () => {
    const model = cutModel(make(false), [1, 2]);
    if ('refused' in model) throw new Error(model.refused);
    expect(model.segments.map(({ inputs }) => inputs.includes('input_ids'))).toEqual([true, false, false]);
    expect(model.segments.map(({ output }) => output).slice(0, 2)).toEqual(['hidden_out', 'hidden_out']);
    for (const { inputs } of model.segments.slice(1)) expect(inputs.toSorted()).toEqual(['attention_mask', 'hidden']);
  });
});

it('cuts a graph whose last layer is narrowed like any other', async () => {
  for (const quantized of [false, true])
    await expectEqual(rewrite(encoder({ family: 'bert', quantized }), false), [1, 3], { withoutOptimizers: UNFUSED });
});

it('cuts a graph with a way of its own for batches without padding, and gives each segment one', async () => {
  for (const quantized of [false, true]) {
    const bytes = rewrite(encoder({ family: 'bert', quantized }), true);
    expect(countLayers(bytes)).toBe(LAYERS);
    await expectEqual(bytes, [1, 3], { withoutOptimizers: UNFUSED });
    const model = cutModel(bytes, [1, 3]);
    if ('refused' in model) throw new Error(model.refused);
    for (const segment of model.segments) expect(decodeOnnxModel(segment.bytes).graph.node.at(-1)).toMatchObject({ opType: 'If' });
  }
});

it('equals the whole with the fusion of residuals and normalizations, too, where a layer ends with one', async () => {
  await expectEqual(encoder({ family: 'bert', quantized: true }), [1, 2, 3], { withoutOptimizers: [] });
});

describe('a model that cannot be cut', () => {
  const outside = (bytes: Uint8Array): Uint8Array => edited(bytes, ({ graph }) => (graph.initializer[0]!.dataLocation = 1));
  it.each([
    ['values in another file', () => outside(encoder({})), [1], /another file/],
    ['more outputs', () => encoder({ head: 'leaky' }), [1], /more outputs/],
    ['one layer', () => encoder({ layers: 1 }), [1], /No layers/],
    ['cuts behind its last layer', () => encoder({}), [LAYERS], /has 4 layers/],
    ['cuts that do not ascend', () => encoder({}), [2, 2], /ascending/],
    ['no cuts', () => encoder({}), [], /ascending/],
    ['other bytes', () => Uint8Array.of(1, 2, 3), [1], /./],
  ] as const)('is refused with a reason: %s', (_what, make, cuts, reason) => {
    const answer = cutModel(make(), cuts);
    expect('refused' in answer && answer.refused).toMatch(reason);
  });

  it('is refused where the embeddings go past every layer', () => {
    const bytes = edited(encoder({}), ({ graph }) => {
      for (const node of graph.node) if (node.output.includes(`layer${LAYERS - 1}_sum`)) node.input[1] = 'embeddings';
    });
    expect(cutModel(bytes, [1])).toEqual({ refused: expect.stringMatching(/No layers/) as unknown });
  });
});

describe('segments in the cache', () => {
  const bytes = encoder({ family: 'bert' });

  it('are written once', async () => {
    const job = await given(bytes, [1, 3]);
    const first = cut(await openSegments(job));
    const before = await stat(first.segments[0]!.path);
    expect(await openSegments(job)).toEqual(first);
    expect((await stat(first.segments[0]!.path)).ino).toBe(before.ino);
    expect((await readdir(job.folder)).filter((name) => !name.endsWith('.lock'))).toHaveLength(1);
    expect(first).toMatchObject({
      cuts: [1, 3],
      layers: LAYERS,
      segments: [{ layers: [0, 1] }, { layers: [1, 3] }, { layers: [3, LAYERS] }],
    });
  });

  it('are written anew where one is damaged or gone', async () => {
    const job = await given(bytes, [2]);
    const { segments } = cut(await openSegments(job));
    const whole = await readFile(segments[1]!.path);
    await writeFile(segments[1]!.path, whole.subarray(0, whole.length >> 1));
    await openSegments(job);
    expect(await readFile(segments[1]!.path)).toEqual(whole);
    await rm(segments[0]!.path);
    await openSegments(job);
    await expect(stat(segments[0]!.path)).resolves.toBeDefined();
  });

  it('are whole when several processes ask for them at the same time', async () => {
    const job = await given(bytes, [1, 2]);
    const [first, ...others] = await Promise.all([openSegmentsInProcess(job), openSegmentsInProcess(job), openSegments(job)]);
    for (const other of others) expect(other).toEqual(first);
    expect((await readdir(job.folder)).filter((name) => !name.endsWith('.lock'))).toHaveLength(1);
    await (await runnerOf(cut(first), [])).release();
  });

  it('remember a refusal', async () => {
    const job = await given(encoder({ layers: 1 }), [1]);
    const refused = await openSegments(job);
    expect(refused).toHaveProperty('refused');
    expect(await openSegments(job)).toEqual(refused);
    expect((await readdir(job.folder)).filter((name) => !name.endsWith('.lock'))).toHaveLength(1);
  });
});
