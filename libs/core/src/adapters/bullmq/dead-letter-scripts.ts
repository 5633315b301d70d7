import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';

// Each decides and acts in one step: between two commands a task may be queued anew, and a worker take it.

/**
 * KEYS[1] failed tasks, KEYS[2] the task. ARGV[1] id, ARGV[2] payload, ARGV[3] epoch ms. Returns 1, or 0 where it is no dead letter.
 *
 * The task keeps its place among the failed ones; only what it will carry when it is queued anew is changed.
 */
const RENEW = `
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('HSET', KEYS[2], 'data', ARGV[2], 'timestamp', ARGV[3])
return 1
`;

/** KEYS[1] failed tasks, KEYS[2] the task, then all that BullMQ keeps beside one. ARGV[1] id. Returns 1, or 0 where it is no dead letter. */
const REMOVE = `
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('DEL', unpack(KEYS, 2))
return 1
`;

/** As in BullMQ's own removal of a job. */
const BESIDE = [':logs', ':dependencies', ':processed', ':failed', ':unsuccessful'];

/** BullMQ's view of the queue, and a connection to the same Redis. */
export interface DeadLettersOf {
  readonly queue: Pick<Queue, 'toKey'>;
  readonly redis: Redis;
}

/** Gives a dead letter what it carries when it is queued anew. False, changing nothing, where the task is not dead. */
export async function renewDeadLetter({ queue, redis }: DeadLettersOf, id: string, payload: unknown): Promise<boolean> {
  return (await redis.eval(RENEW, 2, queue.toKey('failed'), queue.toKey(id), id, JSON.stringify(payload), Date.now())) === 1;
}

/** False, changing nothing, where the task is not dead: it may have been queued anew a moment ago. */
export async function removeDeadLetter({ queue, redis }: DeadLettersOf, id: string): Promise<boolean> {
  const keys = [queue.toKey('failed'), ...['', ...BESIDE].map((end) => queue.toKey(id) + end)];
  return (await redis.eval(REMOVE, keys.length, ...keys, id)) === 1;
}
