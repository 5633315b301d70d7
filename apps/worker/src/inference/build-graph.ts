import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { digestFile } from '@rerank-fleet/core/models';
import type { Precision } from '@rerank-fleet/core/domain';
import { GRAPH_VERSION, type GraphRecord } from '../graph/graph-cache.js';
import { rewriteModel } from '../graph/rewrite-model.js';
import { padBatch, type TokenSequence } from '../pipeline/batch-runner.js';
import type { InferenceModel } from './inference-messages.js';
import { OnnxModel } from './onnx-model.js';

/** One graph to be rewritten; it can be sent to another process. */
export interface GraphJob {
  readonly onnxPath: string;
  readonly output: InferenceModel['output'];
  readonly precision: Precision;
  /** Pairs of different lengths and different relevance. */
  readonly samples: readonly TokenSequence[];
  /** Where the rewritten graph goes. */
  readonly target: string;
}

/** Largest difference of a logit, as a part of the range of the samples' logits: float arithmetic in another order, or other activation scales. */
const BOUNDS: Readonly<Record<Precision, number>> = { fp32: 1e-4, fp16: 1e-2, int8: 3e-2 };
/** Where the samples' logits are all alike, this is taken for their range. */
const LEAST_RANGE = 1;

/**
 * Writes the rewritten graph, runs samples through it and the original, and puts it in its place if they agree: whole or not at all. Workers that start side by
 * side write the same bytes.
 */
export async function buildGraph(job: GraphJob): Promise<GraphRecord> {
  const rewritten = rewriteModel(await readFile(job.onnxPath));
  if ('unrecognised' in rewritten) return { v: GRAPH_VERSION, outcome: 'unrecognised', detail: rewritten.unrecognised };
  const staged = `${job.target}.${randomUUID()}`;
  try {
    await mkdir(dirname(job.target), { recursive: true });
    await writeFile(staged, rewritten.bytes);
    const expected = await logitsOf({ onnxPath: job.onnxPath, output: job.output }, job.samples);
    const found = await logitsOf({ onnxPath: staged, output: job.output }, job.samples).catch((error: unknown) => String(error));
    if (typeof found === 'string') return { v: GRAPH_VERSION, outcome: 'discarded', detail: found };
    const worst = Math.max(...expected.map((logit, position) => Math.abs(logit - found[position]!)));
    const range = Math.max(LEAST_RANGE, Math.max(...expected) - Math.min(...expected));
    // A difference that is no number fails, too.
    if (!(worst <= BOUNDS[job.precision] * range))
      return { v: GRAPH_VERSION, outcome: 'discarded', detail: `A logit is off by ${worst}, in a range of ${range}.` };
    const { sha256 } = await digestFile(staged);
    await rename(staged, job.target);
    return { v: GRAPH_VERSION, outcome: 'rewritten', sha256, worst };
  } finally {
    await rm(staged, { force: true });
  }
}

/** Each sample alone, then all in one padded batch. The session is gone when this resolves: two at once need not fit into memory. */
async function logitsOf(source: Pick<InferenceModel, 'onnxPath' | 'output'>, samples: readonly TokenSequence[]): Promise<number[]> {
  const model = await OnnxModel.load(source, { device: 'cpu', intraOpThreads: availableParallelism() });
  const logits: number[] = [];
  for (const group of [...samples.map((sample) => [sample]), samples]) logits.push(...(await model.run(padBatch('', group))).values);
  await model.release();
  return logits;
}
