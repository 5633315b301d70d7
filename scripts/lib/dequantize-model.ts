import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { dequantizeGraph } from './dequantize-graph.ts';
import { halveGraph } from './halve-graph.ts';
import { decodeOnnxModel, encodeOnnxModel } from '@rerank-fleet/worker/graph/onnx-proto';

export type FloatPrecision = 'fp32' | 'fp16';

/** Bytes of the float graph that a dynamically quantized one came from, but for what was lost by rounding. */
export function dequantizeModel(bytes: Uint8Array, precision: FloatPrecision): Uint8Array {
  const model = decodeOnnxModel(bytes);
  dequantizeGraph(model.graph);
  if (precision === 'fp16') halveGraph(model.graph);
  return encodeOnnxModel({ ...model, producerName: 'rerank-fleet dequantize' });
}

export interface DequantizeOptions {
  readonly directory: string;
  readonly onnxPath: string;
  /** Made if it is not there. */
  readonly target: string;
  readonly precision: FloatPrecision;
}

/** Writes a folder that MODELS_DIR takes: the float graph under a name that tells its precision, and every file beside the quantized one. */
export async function writeDequantized({ directory, onnxPath, target, precision }: DequantizeOptions): Promise<void> {
  const onnx = dequantizeModel(await readFile(onnxPath), precision);
  await mkdir(target, { recursive: true });
  // The record of a pull lists hashes of files that this folder does not have.
  const beside = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.onnx') && entry.name !== 'rerank-model.json')
    .map(({ parentPath, name }) => relative(directory, join(parentPath, name)));
  for (const path of beside) {
    await mkdir(dirname(join(target, path)), { recursive: true });
    await copyFile(join(directory, path), join(target, path));
  }
  await writeFile(join(target, precision === 'fp16' ? 'model_fp16.onnx' : 'model.onnx'), onnx);
}
