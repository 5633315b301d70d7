/** A thread of a bare onnxruntime-node loop: one session, batches padded beforehand, the next one by a counter that all threads share. */
import { parentPort, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { PaddedBatch } from '@rerank-fleet/worker/pipeline/batch-runner';

export interface BareThreadData {
  readonly onnxPath: string;
  readonly withoutOptimizers: readonly string[];
  readonly intraOpThreads: number;
  /** One Int32: index of the next batch that no thread took. */
  readonly next: SharedArrayBuffer;
}

export type BareThreadCall = { readonly prepare: readonly PaddedBatch[] } | { readonly go: true };

/** Of the last loop, in epoch milliseconds with fractions: clocks of threads start apart. */
export interface BareThreadReply {
  readonly began: number;
  readonly ended: number;
}

const { onnxPath, withoutOptimizers, intraOpThreads, next } = workerData as BareThreadData;
const counter = new Int32Array(next);
const session = await InferenceSession.create(onnxPath, {
  intraOpNumThreads: intraOpThreads,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  ...(withoutOptimizers.length === 0 ? {} : { extra: { optimization: { disable_specified_optimizers: withoutOptimizers.join(';') } } }),
});
let prepared: Record<string, Tensor>[] = [];

function feedsOf({ batch, sequence, inputIds, attentionMask, tokenTypeIds }: PaddedBatch): Record<string, Tensor> {
  const values: Record<string, BigInt64Array> = { input_ids: inputIds, attention_mask: attentionMask, token_type_ids: tokenTypeIds };
  return Object.fromEntries(session.inputNames.map((name) => [name, new Tensor('int64', values[name]!, [batch, sequence])]));
}

async function runAll(): Promise<BareThreadReply> {
  const began = performance.timeOrigin + performance.now();
  for (let index = Atomics.add(counter, 0, 1); index < prepared.length; index = Atomics.add(counter, 0, 1))
    await session.run(prepared[index]!);
  return { began, ended: performance.timeOrigin + performance.now() };
}

async function answer(call: BareThreadCall): Promise<BareThreadReply> {
  if ('go' in call) return await runAll();
  prepared = call.prepare.map(feedsOf);
  return { began: 0, ended: 0 };
}

parentPort?.on('message', (call: BareThreadCall) => {
  void answer(call).then((reply) => parentPort?.postMessage(reply));
});
parentPort?.postMessage({ began: 0, ended: 0 } satisfies BareThreadReply);
