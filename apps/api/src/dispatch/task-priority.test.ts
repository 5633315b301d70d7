import { MemoryJobQueue } from '@rerank-fleet/core/adapters/memory/memory-job-queue';
import type { TaskBody } from '@rerank-fleet/core/contracts';
import { describe, expect, it } from 'vitest';
import { TaskDispatcher } from './task-dispatcher.js';

const BODY: TaskBody = { kind: 'corpus', corpus: 'c', change: { op: 'delete' } };

describe('the priority of a call', () => {
  it('orders waiting tasks, lower first; none is the same as 0', async () => {
    const queue = new MemoryJobQueue();
    const dispatcher = new TaskDispatcher({
      queue,
      inbox: {
        address: 'here',
        wait: () => Promise.resolve(JSON.stringify({ status: 'succeeded', outcome: { kind: 'corpus' } })),
        cancel: () => Promise.resolve(),
      },
      bodies: { pack: (_id, body) => Promise.resolve({ body }) },
      fleet: { live: () => Promise.resolve([{ pool: 'default' }]), markDemand: () => Promise.resolve() },
      clock: { now: () => 0 },
    });
    const call = (requestId: string, priority?: number) =>
      dispatcher.call({
        queue: 'sync',
        tenant: 'acme',
        requestId,
        pool: 'default',
        timeoutMs: 1_000,
        body: BODY,
        signal: new AbortController().signal,
        ...(priority === undefined ? {} : { priority }),
      });
    await call('last', 900);
    await call('second', 5);
    await call('first', 0);
    await call('first too');
    const taken: unknown[] = [];
    const consumer = await queue.consume(
      'sync-default',
      ({ payload }) => {
        taken.push((payload as { request_id: unknown }).request_id);
        return Promise.resolve();
      },
      { concurrency: 1, lockMs: 1_000 },
    );
    await expect.poll(() => taken).toEqual(['first', 'first too', 'second', 'last']);
    await consumer.close(0);
  });
});
