import type { Redis } from 'ioredis';
import { KEY_PREFIX, orQueueUnavailable } from './redis-connection.js';

/**
 * Whether the work is this process' to do: of all that ask within a period one is told so.
 *
 * @throws RerankError `queue_unavailable`
 */
export async function takeTurn(redis: Redis, work: string, periodMs: number): Promise<boolean> {
  return (await orQueueUnavailable(redis.set(`${KEY_PREFIX}:turn:${work}`, '1', 'PX', periodMs, 'NX'))) === 'OK';
}
