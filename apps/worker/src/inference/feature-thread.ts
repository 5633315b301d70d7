import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '@rerank-fleet/core/errors';
import type { FeatureCall, FeatureMessage } from './feature-messages.js';
import { SegmentRunner, type SegmentSource } from './segment-runner.js';

const port = parentPort;
invariant(port, 'The feature thread was started outside a worker thread.');

const runner = await SegmentRunner.load(workerData as SegmentSource);

async function collect(call: FeatureCall): Promise<void> {
  try {
    const { logits, features } = await runner.collect(call.sequences);
    const buffers = [logits, ...features].map(({ buffer }) => buffer as ArrayBuffer);
    port?.postMessage({ logits, features } satisfies FeatureMessage, buffers);
  } catch (error) {
    port?.postMessage({ error: error instanceof Error ? error.message : String(error) } satisfies FeatureMessage);
  }
}

async function close(): Promise<void> {
  await inHand;
  await runner.release();
  port?.close();
}

let inHand: Promise<void> = Promise.resolve();
port.on('message', (call: FeatureCall | 'close') => {
  if (call === 'close') void close();
  else inHand = collect(call);
});
port.postMessage('ready' satisfies FeatureMessage);
