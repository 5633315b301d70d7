/**
 * A program of its own: times models as its parent says over IPC, answers with what it chose, and ends. Freed memory of sessions stays with the allocator of
 * a process; that of this one goes with it.
 */
import { InferencePool } from '../inference/inference-pool.js';
import { tuneModels, type TuningJob } from './tune-models.js';

/** No process outlives its supervisor. */
process.on('disconnect', () => process.exit(0));

async function answer(job: TuningJob): Promise<void> {
  const outcome = await tuneModels(job, (model, split) =>
    InferencePool.start({
      models: [model],
      device: job.device,
      intraOpThreads: split.intraOpThreads,
      threads: split.sessions,
      // The parent ends this process when it takes too long.
      batchTimeoutMs: 2 ** 31 - 1,
      onHang: fail,
      onThreadDeath: fail,
    }),
  );
  process.send?.(outcome, () => process.exit(0));
}

function fail(detail: string): never {
  process.stderr.write(`${detail}\n`);
  process.exit(1);
}

process.once('message', (job: TuningJob) => {
  answer(job).catch((error: unknown) => fail(String(error)));
});
