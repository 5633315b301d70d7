import { ENDED_STATUSES, type JobBody } from '@rerank-fleet/core/contracts';
import { mayPass } from './client-errors.js';
import { Deadline, sleep } from './deadline.js';
import type { CallOptions } from './http-transport.js';

export interface PollOptions<State> extends CallOptions {
  /** Called with each state that was read, the last one included. */
  readonly onProgress?: ((state: State) => void) | undefined;
}

export type WaitOptions<Job extends JobBody = JobBody> = PollOptions<Job>;

const FIRST_DELAY_MS = 50;
const MAX_DELAY_MS = 2_000;
const GROWTH = 1.5;
/** What is waited for outlives the service's restart; so does the wait. */
const OUTAGE_MS = 30_000;

/** Reads a job until it has ended; waits longer between reads the longer it takes. */
export function pollJob<Job extends JobBody>(read: (signal: AbortSignal) => Promise<Job>, options: WaitOptions<Job>): Promise<Job> {
  return pollUntil(read, hasEnded, options);
}

/** Reads a state until it is the one that is waited for. */
export async function pollUntil<State>(
  read: (signal: AbortSignal) => Promise<State>,
  isOver: (state: State) => boolean,
  { onProgress, signal, timeoutMs = Infinity }: PollOptions<State>,
): Promise<State> {
  const deadline = new Deadline(timeoutMs, signal);
  let lastAnswerAt = performance.now();
  try {
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(MAX_DELAY_MS, delayMs * GROWTH)) {
      try {
        const state = await read(deadline.signal);
        lastAnswerAt = performance.now();
        onProgress?.(state);
        if (isOver(state)) return state;
      } catch (error) {
        if (!mayPass(error) || performance.now() - lastAnswerAt > OUTAGE_MS) throw error;
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
