import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds before each attempt. A sweep looks after what is left, once a minute. */
const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000];

/** Does in the background what Redis did not take at first; never rejects. What dies with the process, or comes to no end here, a sweep finds. */
export async function untilTaken(work: () => Promise<void>, pausesMs: readonly number[] = PAUSES_MS): Promise<void> {
  for (const pauseMs of pausesMs) {
    await sleep(pauseMs, undefined, { ref: false });
    try {
      await work();
      return;
    } catch {
      // Its first failure is in the log, and the connection tells that Redis is away.
    }
  }
}
