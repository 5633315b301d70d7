import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Redis } from 'ioredis';
import { scopeSchema, tenantSchema } from '../../contracts/index.js';
import { KEY_PREFIX, orQueueUnavailable } from './redis-connection.js';

const KEYS = `${KEY_PREFIX}:api-keys`;
/** Another text after each change, so that who remembers the keys sees cheaply whether there are others. A count would come round when Redis has lost it. */
const VERSION = `${KEY_PREFIX}:api-keys:version`;

const storedKeySchema = z.object({
  id: z.string(),
  /** Of the key, in lower-case hexadecimal digits. The key itself is nowhere. */
  sha256: z.string(),
  /** Its first and last characters. */
  hint: z.string(),
  name: z.string().exactOptional(),
  tenant: tenantSchema,
  scopes: z.array(scopeSchema),
  syncTokens: z.number().exactOptional(),
  /** Epoch milliseconds. */
  createdMs: z.number(),
  expiresMs: z.number().exactOptional(),
});

/** An API key that was made over the API. */
export type StoredKey = z.infer<typeof storedKeySchema>;

/**
 * API keys that operators make while the fleet runs. They last as long as Redis keeps its data.
 *
 * @throws RerankError `queue_unavailable`
 */
export class ApiKeys {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async add(key: StoredKey): Promise<void> {
    await orQueueUnavailable(this.#redis.multi().hset(KEYS, key.id, JSON.stringify(key)).set(VERSION, randomUUID()).exec());
  }

  /** False if there is none of this id. */
  async remove(id: string): Promise<boolean> {
    const [removed] = (await orQueueUnavailable(this.#redis.multi().hdel(KEYS, id).set(VERSION, randomUUID()).exec())) ?? [];
    return removed?.[1] === 1;
  }

  /** Oldest first. One of another release's form is left out: it opens nothing. */
  async list(): Promise<readonly StoredKey[]> {
    const texts = await orQueueUnavailable(this.#redis.hvals(KEYS));
    const keys = texts.flatMap((text) => storedKeySchema.safeParse(JSON.parse(text)).data ?? []);
    return keys.sort((a, b) => a.createdMs - b.createdMs || (a.id < b.id ? -1 : 1));
  }

  /** Another one than before: there may be other keys. */
  async version(): Promise<string> {
    return (await orQueueUnavailable(this.#redis.get(VERSION))) ?? '';
  }
}
