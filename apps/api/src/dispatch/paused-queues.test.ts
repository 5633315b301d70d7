import { MemoryJobQueue } from '@rerank-fleet/core/adapters/memory/memory-job-queue';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { PausedQueues } from './paused-queues.js';

afterEach(() => vi.useRealTimers());

describe(PausedQueues, () => {
  it('refuses calls to a paused queue, says when to come back, and lets others through', async () => {
    const queue = new MemoryJobQueue();
    await queue.pause('sync-default');
    const paused = new PausedQueues(queue);
    await expect(paused.assertRunning('sync-default')).rejects.toMatchObject({ code: 'queue_paused', status: 503, retryAfterS: 30 });
    await expect(paused.assertRunning('sync-gpu')).resolves.toBeUndefined();
  });

  it('asks once in half a second, whatever number of calls comes', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const isPaused = vi.fn(() => Promise.resolve(false));
    const paused = new PausedQueues({ isPaused });
    for (let call = 0; call < 10; call += 1) await paused.assertRunning('sync-default');
    expect(isPaused).toHaveBeenCalledTimes(1);
    isPaused.mockResolvedValue(true);
    vi.advanceTimersByTime(500);
    await expect(paused.assertRunning('sync-default')).rejects.toMatchObject({ code: 'queue_paused' });
    expect(isPaused).toHaveBeenCalledTimes(2);
  });
});
