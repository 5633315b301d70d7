import type { Redis } from 'ioredis';
import { KEY_PREFIX } from './redis-connection.js';

const aloneKey = (taskId: string): string => `${KEY_PREFIX}:batch:alone:${taskId}`;
const convictedKey = (taskId: string): string => `${KEY_PREFIX}:batch:convicted:${taskId}`;
/** As long as a task may wait between two attempts, and more. */
const TTL_MS = 7 * 24 * 3_600_000;

/** Which row of a slice ran alone when a worker died: that one is to blame. */
export class RowSuspects {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Notes, before it runs, that the row runs with nothing beside it. */
  async enter(taskId: string, row: number): Promise<void> {
    await this.#redis.set(aloneKey(taskId), String(row), 'PX', TTL_MS);
  }

  /** The row came back. */
  async leave(taskId: string): Promise<void> {
    await this.#redis.del(aloneKey(taskId));
  }

  /** Rows of the slice that workers died under while they ran alone; the one that ran last is among them from now on. */
  async convicted(taskId: string): Promise<ReadonlySet<number>> {
    const last = await this.#redis.get(aloneKey(taskId));
    if (last !== null)
      await this.#redis.multi().sadd(convictedKey(taskId), last).pexpire(convictedKey(taskId), TTL_MS).del(aloneKey(taskId)).exec();
    return new Set((await this.#redis.smembers(convictedKey(taskId))).map(Number));
  }

  async forget(taskId: string): Promise<void> {
    await this.#redis.del(aloneKey(taskId), convictedKey(taskId));
  }
}
