import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { arch } from 'node:process';
import type { Precision } from '../domain/index.js';
import { digestFile } from './file-digest.js';

/** Operators that only an integer-quantized graph has. The graph's nodes come before its weights in the file. */
const QUANTIZED_OPERATORS = ['DynamicQuantizeLinear', 'MatMulInteger', 'QLinearMatMul', 'DynamicQuantizeMatMul'].map((name) =>
  Buffer.from(name),
);

export interface OnnxFile {
  /** Relative to the model's folder. */
  readonly path: string;
  /** Undefined for a plain `model.onnx`, which may hold any. */
  readonly precision: Precision | undefined;
}

function precisionOfName(name: string): Precision | undefined {
  if (/fp16|float16|_o4\b/i.test(name)) return 'fp16';
  if (/int8|quantized|quant\b/i.test(name)) return 'int8';
  return /fp32|float32/i.test(name) ? 'fp32' : undefined;
}

async function onnxNames(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => /^model.*\.onnx$/.test(name)).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

/** What int8 files are called that were made for one kind of CPU; on x86 the AVX2 one is right everywhere, where signed weights saturate without VNNI. */
const MADE_FOR_CPU: Readonly<Record<string, RegExp>> = { arm64: /arm64/, x64: /avx2/ };
const MADE_FOR_A_CPU = /arm64|avx/;

/** Files for this kind of CPU, then those for any, then those for others: how wrong they are here shows in scores only. */
function cpuRank(path: string): number {
  if (MADE_FOR_CPU[arch]?.test(path) === true) return 0;
  return MADE_FOR_A_CPU.test(path) ? 2 : 1;
}

/** The graphs of a folder in the hub's layout: `model*.onnx`, in it or in `onnx/`. Those that suit this machine go first; the order is stable. */
export async function listOnnxFiles(directory: string): Promise<OnnxFile[]> {
  const [top, nested] = await Promise.all([onnxNames(directory), onnxNames(join(directory, 'onnx'))]);
  const paths = [...top, ...nested.map((name) => `onnx/${name}`)];
  // Other precisions (q4, bnb4, uint8 …) are named in ways that precisionOfName does not know, and must not pass for a plain model.
  return paths
    .map((path) => ({ path, precision: precisionOfName(path) }))
    .filter(({ path, precision }) => precision !== undefined || path.endsWith('model.onnx'))
    .sort((a, b) => cpuRank(a.path) - cpuRank(b.path));
}

export interface InspectedOnnx {
  readonly path: string;
  readonly precision: Precision;
  readonly size: number;
  readonly sha256: string;
}

/** Weights that lie beside their graph, as of models above 2 GB: `model.onnx_data`, `model.onnx_data_1`, `model.onnx.data` … */
async function weightsBeside(path: string): Promise<string[]> {
  const graph = basename(path);
  const names = (await readdir(dirname(path))).filter((name) => /^[._]data/.test(name.slice(graph.length)) && name.startsWith(graph));
  return names.sort().map((name) => join(dirname(path), name));
}

/**
 * Hashes the graph, with the weights beside it, and finds out its precision: by its name, else int8 if it has quantized operators, else fp32. The hash of a graph
 * that holds its weights is that of the file.
 */
export async function inspectOnnx(directory: string, file: OnnxFile, signal?: AbortSignal): Promise<InspectedOnnx> {
  let quantized = false;
  let tail = Buffer.alloc(0);
  const look = (chunk: Buffer): void => {
    if (quantized || file.precision !== undefined) return;
    const window = Buffer.concat([tail, chunk]);
    quantized = QUANTIZED_OPERATORS.some((operator) => window.includes(operator));
    tail = window.subarray(-32);
  };
  const path = join(directory, file.path);
  const graph = await digestFile(path, look, signal);
  const weights: string[] = [];
  for (const beside of await weightsBeside(path)) weights.push((await digestFile(beside, undefined, signal)).sha256);
  const sha256 =
    weights.length === 0
      ? graph.sha256
      : createHash('sha256')
          .update([graph.sha256, ...weights].join(' '))
          .digest('hex');
  return { path: file.path, precision: file.precision ?? (quantized ? 'int8' : 'fp32'), size: graph.size, sha256 };
}

export async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw error;
  }
}
