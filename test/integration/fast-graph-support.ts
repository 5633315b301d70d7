import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rewriteModel } from '@rerank-fleet/worker/graph/rewrite-model';
import { OnnxModel } from '@rerank-fleet/worker/inference/onnx-model';
import { padBatch, type TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import fc from 'fast-check';
import { BERT, encodeOnnx, tinyBertGraph, type TinyBertOptions } from '../support/tiny-models/index.js';

export const OUTPUT = { kind: 'logit', labelIndex: 0 } as const;
export const ON_CPU = { device: 'cpu', intraOpThreads: 1 } as const;
export const CLASSIFIER: TinyBertOptions = { head: 'classifier', style: 'sizes', quantized: false };
export const STYLES = ['sizes', 'constants', 'opaque', 'spelled', 'inferred'] as const;
/** Of float arithmetic in another order. */
export const FLOAT_TOLERANCE = 1e-5;
/** Of a scale of activations that is taken over first tokens alone; the logits of the tiny model lie within about ± 3. */
export const INT8_TOLERANCE = 0.15;

export const sequenceOf = (ids: readonly number[]): TokenSequence => ({ ids: Int32Array.from(ids), typeIds: new Uint8Array(ids.length) });
export const sequences = fc
  .array(fc.array(fc.nat(BERT.words - 1), { minLength: 1, maxLength: BERT.positions }), { minLength: 1, maxLength: 6 })
  .map((batch) => batch.map(sequenceOf));
/** Path of a tiny classifier's file in the folder. */
export async function writeBert(root: string, options: TinyBertOptions): Promise<string> {
  const path = join(root, `${randomUUID()}.onnx`);
  await writeFile(path, encodeOnnx(tinyBertGraph(options)));
  return path;
}

/** The original and its rewritten graph, loaded. */
export async function both(root: string, options: TinyBertOptions, fusesAttention = false): Promise<readonly [OnnxModel, OnnxModel]> {
  const onnxPath = await writeBert(root, options);
  const rewritten = rewriteModel(await readFile(onnxPath), { fusesAttention });
  if ('unrecognised' in rewritten) throw new Error(rewritten.unrecognised);
  await writeFile(`${onnxPath}.fast`, rewritten.bytes);
  return (await Promise.all([onnxPath, `${onnxPath}.fast`].map((path) => OnnxModel.load({ onnxPath: path, output: OUTPUT }, ON_CPU)))) as [
    OnnxModel,
    OnnxModel,
  ];
}

export const logits = async (model: OnnxModel, batch: readonly TokenSequence[]): Promise<number[]> =>
  Array.from((await model.run(padBatch('', batch))).values);

export const largestDifference = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, at) => Math.abs(value - b[at]!)));
