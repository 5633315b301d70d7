import type { IngestJobBody } from '@rerank-fleet/core/contracts';
import { RerankConnectionError } from './client-errors.js';
import { Deadline, sleep } from './deadline.js';
import type { CallOptions } from './http-transport.js';

export interface WaitOptions extends CallOptions {
  /** Called with each state that was read, the last one included. */
  readonly onProgress?: ((job: IngestJobBody) => void) | undefined;
}

const FIRST_DELAY_MS = 50;
const MAX_DELAY_MS = 2_000;
const GROWTH = 1.5;
/** A job outlives the service's restart; so does waiting for it. */
const OUTAGE_MS = 30_000;

/** Reads a job until it has ended; waits longer between reads the longer it takes. */
export async function pollJob(read: (signal: AbortSignal) => Promise<IngestJobBody>, options: WaitOptions): Promise<IngestJobBody> {
  const deadline = new Deadline(options.timeoutMs ?? Infinity, options.signal);
  let lastAnswerAt = performance.now();
  try {
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(MAX_DELAY_MS, delayMs * GROWTH)) {
      try {
        const job = await read(deadline.signal);
        lastAnswerAt = performance.now();
        options.onProgress?.(job);
        if (job.status === 'completed' || job.status === 'failed') return job;
      } catch (error) {
        if (!(error instanceof RerankConnectionError) || performance.now() - lastAnswerAt > OUTAGE_MS) throw error;
      }
      await sleep(delayMs, deadline.signal);
    }
  } finally {
    deadline.dispose();
  }
}
