import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { orQueueUnavailable } from './redis-connection.js';

/** A Lua script that travels once and is then called by its digest. */
export class AdmissionScript {
  readonly #lua: string;
  readonly #sha1: string;

  constructor(lua: string) {
    this.#lua = lua;
    this.#sha1 = createHash('sha1').update(lua).digest('hex');
  }

  /** @throws RerankError `queue_unavailable` */
  async run(redis: Redis, keys: readonly string[], values: readonly (string | number)[]): Promise<unknown> {
    return await orQueueUnavailable(
      redis.evalsha(this.#sha1, keys.length, ...keys, ...values).catch((error: unknown) => {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return redis.eval(this.#lua, keys.length, ...keys, ...values);
      }),
    );
  }
}
