import type { Redis } from 'ioredis';
import { z } from 'zod';
import { KEY_PREFIX, orQueueUnavailable } from './redis-connection.js';

const KEY = `${KEY_PREFIX}:tombstones:mark`;

const markSchema = z.object({ belowSeq: z.number(), takenAt: z.number() });

/** Below `belowSeq` nobody had a write left to begin at `takenAt`, in epoch milliseconds. */
type Mark = z.infer<typeof markSchema>;

/** Where tombstones may go next. That it is lost with Redis only puts that off. */
export class TombstoneMark {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** @throws RerankError `queue_unavailable` */
  async read(): Promise<Mark | undefined> {
    const text = await orQueueUnavailable(this.#redis.get(KEY));
    return text === null ? undefined : markSchema.parse(JSON.parse(text));
  }

  /** @throws RerankError `queue_unavailable` */
  async write(mark: Mark): Promise<void> {
    await orQueueUnavailable(this.#redis.set(KEY, JSON.stringify(mark)));
  }
}
