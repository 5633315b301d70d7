import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TuningJob, TuningOutcome } from './tune-models.js';

const PROGRAM = fileURLToPath(new URL('./tuning-process.js', import.meta.url));
/** A measurement that takes longer than it was expected to is not cut off at once. */
const PATIENCE_MS = 6_000;
/** What a process takes to start, of the time that tuning may take. */
const START_MS = 300;

/**
 * Times models in a process of its own, which is gone when this resolves, and its memory with it. A driver or a model that takes that process down costs the
 * choice, not the worker: the outcome is then empty.
 */
export async function tuneInProcess(job: TuningJob): Promise<TuningOutcome> {
  const child = fork(PROGRAM, [], { serialization: 'advanced', execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), job.timeoutMs + PATIENCE_MS);
  try {
    return await new Promise<TuningOutcome>((resolve) => {
      let outcome: TuningOutcome = [];
      child.once('message', (message) => (outcome = message as TuningOutcome));
      child.once('error', () => resolve([]));
      child.once('exit', () => resolve(outcome));
      child.send({ ...job, timeoutMs: job.timeoutMs - START_MS }, () => undefined);
    });
  } finally {
    clearTimeout(timer);
  }
}
