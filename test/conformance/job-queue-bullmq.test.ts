import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import type { TakenTask } from '@rerank-fleet/core/ports';
import { describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { describeJobQueue } from './describe-job-queue.js';

describeJobQueue('BullmqJobQueue', async () => {
  const redis = await RedisServer.start();
  return { open: () => BullmqJobQueue.open({ url: redis.url }), close: () => redis.stop() };
});

describe('BullmqJobQueue and the death of others', () => {
  it('hands a task out again after its consumer was killed, soon after the lock, and counts no failed attempt', async () => {
    const redis = await RedisServer.start();
    const queue = await BullmqJobQueue.open({ url: redis.url });
    try {
      await queue.enqueue('lane', { id: 'survivor', payload: { text: 'kept' } });
      const victim = fork(fileURLToPath(new URL('job-queue-programs/consumer.mjs', import.meta.url)), [redis.url, 'lane', '1000']);
      expect(await once(victim, 'message')).toEqual([{ taken: 'survivor' }, undefined]);
      victim.kill('SIGKILL');
      const killedAt = performance.now();
      const task = await new Promise<TakenTask>((resolve, reject) => {
        queue.consume('lane', async (taken) => resolve(taken), { concurrency: 1, lockMs: 1_000 }).catch(reject);
      });
      expect(task).toMatchObject({ id: 'survivor', payload: { text: 'kept' }, attempt: 0 });
      expect(performance.now() - killedAt).toBeLessThan(4_000);
    } finally {
      await queue.close();
      await redis.stop();
    }
  });

  it('refuses a task at once while Redis is away, and keeps what it took before', async () => {
    const redis = await RedisServer.start({ settings: ['--appendfsync', 'always'] });
    const faults: Error[] = [];
    const queue = await BullmqJobQueue.open({ url: redis.url, onFault: (error) => faults.push(error) });
    try {
      await queue.enqueue('lane', { id: 'kept', payload: {} });
      await redis.kill();
      await expect.poll(() => faults.length).toBeGreaterThan(0);
      const startedAt = performance.now();
      await expect(queue.enqueue('lane', { id: 'lost', payload: {} })).rejects.toMatchObject({ code: 'queue_unavailable' });
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      await redis.resume();
      await expect.poll(() => queue.depth('lane').catch(() => undefined), { timeout: 10_000 }).toEqual({ waiting: 1, active: 0 });
    } finally {
      await queue.close();
      await redis.stop();
    }
  });
});
