import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '@rerank-fleet/core/errors';
import type { CloseCall, InferenceCall, InferenceMessage, InferenceThreadData } from './inference-messages.js';
import { LoadError } from './load-late.js';
import { ModelVariants } from './model-variants.js';

const port = parentPort;
invariant(port, 'The inference thread was started outside a worker thread.');

const data = workerData as InferenceThreadData;
const models = new Map<string, ModelVariants>();
for (const model of data.models) models.set(model.sha256, await ModelVariants.load(model, data));

async function run(call: InferenceCall): Promise<void> {
  const started = performance.now();
  try {
    const model = models.get(call.model);
    invariant(model, 'A batch was sent to a model that is not loaded.');
    const { values, width } = await model.run(call);
    const ran = { runMs: performance.now() - started, ranAt: performance.timeOrigin + started };
    port?.postMessage({ id: call.id, values, width, ...ran } satisfies InferenceMessage, [values.buffer as ArrayBuffer]);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const atLoad = error instanceof LoadError ? ({ atLoad: true } as const) : {};
    port?.postMessage({ id: call.id, error: detail, ...atLoad } satisfies InferenceMessage);
  }
}

async function close(): Promise<void> {
  await inHand;
  for (const model of models.values()) await model.release();
  port?.close();
}

let inHand: Promise<void> = Promise.resolve();
port.on('message', (call: InferenceCall | CloseCall) => {
  if ('close' in call) void close();
  else inHand = inHand.then(() => run(call));
});
port.postMessage({ ready: true } satisfies InferenceMessage);
