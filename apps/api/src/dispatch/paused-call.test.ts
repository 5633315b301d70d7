import { MemoryJobQueue } from '@rerank-fleet/core/adapters/memory/memory-job-queue';
import type { TaskBody } from '@rerank-fleet/core/contracts';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { TaskDispatcher } from './task-dispatcher.js';

const BODY: TaskBody = { kind: 'corpus', corpus: 'c', change: { op: 'delete' } };

function start(queue: MemoryJobQueue) {
  const dispatcher = new TaskDispatcher({
    queue,
    inbox: { address: 'here', wait: () => new Promise(() => undefined), cancel: () => Promise.resolve() },
    bodies: { pack: (_id, body) => Promise.resolve({ body }) },
    fleet: { live: () => Promise.resolve([{ pool: 'default' }]), markDemand: () => Promise.resolve() },
    clock: { now: () => 0 },
  });
  const signal = new AbortController().signal;
  return () => dispatcher.call({ queue: 'sync', tenant: 'acme', requestId: 'r', pool: 'default', timeoutMs: 60_000, body: BODY, signal });
}

afterEach(() => vi.useRealTimers());

describe('a call to a paused queue', () => {
  it('is refused and leaves no task behind, and those that follow are not even queued', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const queue = new MemoryJobQueue();
    await queue.pause('sync-default');
    const [call, enqueue] = [start(queue), vi.spyOn(queue, 'enqueue')];
    for (let turn = 0; turn < 3; turn += 1) {
      await expect(call()).rejects.toMatchObject({ code: 'queue_paused' });
      expect(await queue.depth('sync-default')).toEqual({ waiting: 0, active: 0 });
    }
    expect(enqueue).toHaveBeenCalledOnce();
  });

  it('is queued without waiting for the answer whether it is', async () => {
    const queue = new MemoryJobQueue();
    vi.spyOn(queue, 'isPaused').mockReturnValue(new Promise(() => undefined));
    const enqueue = vi.spyOn(queue, 'enqueue');
    start(queue)().catch(() => undefined);
    await vi.waitFor(() => expect(enqueue).toHaveBeenCalledOnce());
  });
});
