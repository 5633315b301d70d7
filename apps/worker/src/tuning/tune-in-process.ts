import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TuningJob, TuningOutcome } from './tune-models.js';
import type { SegmentTuningJob, SegmentTuningOutcome } from './tune-segments.js';

const PROGRAM = fileURLToPath(new URL('./tuning-process.js', import.meta.url));
/** A measurement that takes longer than it was expected to is not cut off at once. */
const PATIENCE_MS = 6_000;
/** Of segments, whose measurements are short. */
const SEGMENT_PATIENCE_MS = 1_500;
/** What a process takes to start, of the time that tuning may take. */
const START_MS = 300;

/** What `tuning-process` may be asked. */
export type ProcessJob = TuningJob | SegmentTuningJob;

/**
 * Times models in a process of its own, which is gone when this resolves, and its memory with it. A driver or a model that takes that process down costs the
 * choice, not the worker: the outcome is then empty.
 */
export async function tuneInProcess(job: TuningJob): Promise<TuningOutcome> {
  return (await ask<TuningOutcome>(job, PATIENCE_MS)) ?? [];
}

/** As `tuneInProcess`, for the segments of models. */
export async function tuneSegmentsInProcess(job: SegmentTuningJob): Promise<SegmentTuningOutcome> {
  return (await ask<SegmentTuningOutcome>(job, SEGMENT_PATIENCE_MS)) ?? [];
}

async function ask<Outcome>(job: ProcessJob, patienceMs: number): Promise<Outcome | undefined> {
  const child = fork(PROGRAM, [], { serialization: 'advanced', execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), job.timeoutMs + patienceMs);
  try {
    return await new Promise<Outcome | undefined>((resolve) => {
      let outcome: Outcome | undefined;
      child.once('message', (message) => (outcome = message as Outcome));
      child.once('error', () => resolve(undefined));
      child.once('exit', () => resolve(outcome));
      child.send({ ...job, timeoutMs: job.timeoutMs - START_MS }, () => undefined);
    });
  } finally {
    clearTimeout(timer);
  }
}
