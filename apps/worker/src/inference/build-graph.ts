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
  /** Whether attention may become one node where a batch has no padding. */
  readonly fusesAttention: boolean;
  /** Where the rewritten graph goes. */
  readonly target: string;
}

/** Largest difference of a logit, as a part of the range of the samples' logits: float arithmetic in another order, or other activation scales. */
const BOUNDS: Readonly<Record<Precision, number>> = { fp32: 1e-4, fp16: 1e-2, int8: 3e-2 };
/** Where the samples' logits are all alike, this is taken for their range. */
const LEAST_RANGE = 1;

/** A rewritten graph that scores as it should, or why it does not. */
type Verdict = Pick<Extract<GraphRecord, { outcome: 'rewritten' }>, 'sha256' | 'worst'> | { readonly failed: string };

/**
 * Writes the rewritten graph, runs samples through it and the original, and puts it in its place if they agree: whole or not at all. Where attention in one node
 * makes the difference, the graph without it is tried. Workers that start side by side write the same bytes.
 */
export async function buildGraph(job: GraphJob): Promise<GraphRecord> {
  const v = GRAPH_VERSION;
  let expected: number[] | undefined;
  let detail = '';
  for (const fusesAttention of job.fusesAttention ? [true, false] : [false]) {
    const rewritten = rewriteModel(await readFile(job.onnxPath), { fusesAttention });
    if ('unrecognised' in rewritten) return { v, outcome: 'unrecognised', detail: rewritten.unrecognised };
    const { bytes, fusedAttentions } = rewritten;
    expected ??= await logitsOf(job, job.samples);
    const verdict = await place(bytes, job, expected);
    if (!('failed' in verdict)) return { v, outcome: 'rewritten', ...verdict, fusedAttentions };
    detail = verdict.failed;
    if (fusedAttentions === 0) break;
  }
  return { v, outcome: 'discarded', detail };
}

/** Puts the graph in its place if it scores as expected. */
async function place(bytes: Uint8Array, { output, precision, samples, target }: GraphJob, expected: readonly number[]): Promise<Verdict> {
  const staged = `${target}.${randomUUID()}`;
  try {
    await mkdir(dirname(target), { recursive: true });
    await writeFile(staged, bytes);
    const found = await logitsOf({ onnxPath: staged, output }, samples).catch((error: unknown) => String(error));
    if (typeof found === 'string') return { failed: found };
    const worst = Math.max(...expected.map((logit, position) => Math.abs(logit - found[position]!)));
    const range = Math.max(LEAST_RANGE, Math.max(...expected) - Math.min(...expected));
    // A difference that is no number fails, too.
    if (!(worst <= BOUNDS[precision] * range)) return { failed: `A logit is off by ${worst}, in a range of ${range}.` };
    const { sha256 } = await digestFile(staged);
    await rename(staged, target);
    return { sha256, worst };
  } finally {
    await rm(staged, { force: true });
  }
}

const groupsOf = (samples: readonly TokenSequence[]): (readonly TokenSequence[])[] => [
  ...samples.map((sample) => [sample]),
  samples,
  samples.slice(0, 1).flatMap((sample) => [sample, sample]),
];

/** Each sample alone, all in one padded batch, and one beside itself, where nothing is padded. The session is gone when this resolves: two at once need not fit into memory. */
async function logitsOf(source: Pick<InferenceModel, 'onnxPath' | 'output'>, samples: readonly TokenSequence[]): Promise<number[]> {
  const model = await OnnxModel.load(source, { device: 'cpu', intraOpThreads: availableParallelism() });
  const logits: number[] = [];
  for (const group of groupsOf(samples)) logits.push(...(await model.run(padBatch('', group))).values);
  await model.release();
  return logits;
}
