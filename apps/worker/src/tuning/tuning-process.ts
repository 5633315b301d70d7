/**
 * A program of its own: times models or their segments as its parent says over IPC, answers with what it chose, and ends. Freed memory of sessions stays with the allocator of
 * a process; that of this one goes with it.
 */
import type { InferenceModel } from '../inference/inference-messages.js';
import { InferencePool } from '../inference/inference-pool.js';
import type { Split } from './engine-shape.js';
import type { ProcessJob } from './tune-in-process.js';
import { tuneModels } from './tune-models.js';
import { tuneSegments } from './tune-segments.js';

/** No process outlives its supervisor. */
process.on('disconnect', () => process.exit(0));

async function answer(job: ProcessJob): Promise<void> {
  const start = (model: InferenceModel, split: Split): Promise<InferencePool> =>
    InferencePool.start({
      models: [model],
      device: job.device,
      intraOpThreads: split.intraOpThreads,
      threads: split.sessions,
      // The parent ends this process when it takes too long.
      batchTimeoutMs: 2 ** 31 - 1,
      onHang: fail,
      onThreadDeath: fail,
    });
  const outcome = await ('segmentsOf' in job ? tuneSegments(job, start) : tuneModels(job, start));
  process.send?.(outcome, () => process.exit(0));
}

function fail(detail: string): never {
  process.stderr.write(`${detail}\n`);
  process.exit(1);
}

process.once('message', (job: ProcessJob) => {
  answer(job).catch((error: unknown) => fail(String(error)));
});
