import { ENDED_STATUSES, type JobBody } from '@rerank-fleet/core/contracts';
import { RerankConnectionError } from './client-errors.js';
import { Deadline, sleep } from './deadline.js';
import type { CallOptions } from './http-transport.js';

export interface WaitOptions<Job extends JobBody = JobBody> extends CallOptions {
  /** Called with each state that was read, the last one included. */
  readonly onProgress?: ((job: Job) => void) | undefined;
}

const FIRST_DELAY_MS = 50;
const MAX_DELAY_MS = 2_000;
const GROWTH = 1.5;
/** A job outlives the service's restart; so does waiting for it. */
const OUTAGE_MS = 30_000;

/** Reads a job until it has ended; waits longer between reads the longer it takes. */
export async function pollJob<Job extends JobBody>(read: (signal: AbortSignal) => Promise<Job>, options: WaitOptions<Job>): Promise<Job> {
  const deadline = new Deadline(options.timeoutMs ?? Infinity, options.signal);
  let lastAnswerAt = performance.now();
  try {
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(MAX_DELAY_MS, delayMs * GROWTH)) {
      try {
        const job = await read(deadline.signal);
        lastAnswerAt = performance.now();
        options.onProgress?.(job);
        if (hasEnded(job)) return job;
      } catch (error) {
        if (!(error instanceof RerankConnectionError) || performance.now() - lastAnswerAt > OUTAGE_MS) throw error;
      }
      await sleep(delayMs, deadline.signal);
    }
  } finally {
    deadline.dispose();
  }
}

/** It will not change any more. */
export function hasEnded(job: Pick<JobBody, 'status'>): boolean {
  return ENDED_STATUSES.has(job.status);
}
