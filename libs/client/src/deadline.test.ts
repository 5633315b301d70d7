import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Deadline } from './deadline.js';

describe(Deadline, () => {
  it('ends when its time is over', async () => {
    const deadline = new Deadline(1, undefined);
    await sleep(20);
    expect(deadline.signal.reason).toMatchObject({ name: 'RerankTimeoutError', timeoutMs: 1 });
  });

  it.each([30 * 24 * 3_600_000, Infinity])('does not end at once for a time that no timer takes: %d ms', async (timeoutMs) => {
    const deadline = new Deadline(timeoutMs, undefined);
    await sleep(20);
    expect(deadline.signal.aborted).toBe(false);
    expect(deadline.remainingMs).toBeGreaterThan(20 * 24 * 3_600_000);
    deadline.dispose();
  });
});
