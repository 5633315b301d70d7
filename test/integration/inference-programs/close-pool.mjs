/** Starts inference threads, closes them, and does nothing else: only a thread or a timer that was left keeps it alive. */
import { InferencePool } from '@rerank-fleet/worker/inference/inference-pool';
import { padBatch } from '@rerank-fleet/worker/pipeline/batch-runner';

const [sha256, onnxPath, id] = process.argv.slice(2);
const pool = await InferencePool.start({
  models: [{ sha256, onnxPath, output: { kind: 'logit', labelIndex: 0 } }],
  device: 'cpu',
  intraOpThreads: 1,
  threads: 2,
  batchTimeoutMs: 600_000,
  onHang: () => undefined,
  onThreadDeath: () => undefined,
});
const sequence = { ids: Int32Array.of(Number(id)), typeIds: new Uint8Array(1) };
const outcomes = pool.runners.map((runner) => runner.run(padBatch(sha256, [sequence])));
await Promise.all(outcomes);
const late = pool.runners[0].run(padBatch(sha256, [sequence])).then(
  () => 'ran',
  () => 'rejected',
);
await pool.close();
process.send({ late: await late });
