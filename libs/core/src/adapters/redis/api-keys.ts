import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Redis } from 'ioredis';
import { scopeSchema, tenantSchema } from '../../contracts/index.js';
import { KEY_PREFIX, orQueueUnavailable } from './redis-connection.js';

const KEYS = `${KEY_PREFIX}:api-keys`;
/** Another text after each change, so that who remembers the keys sees cheaply whether there are others. A count would come round when Redis has lost it. */
const VERSION = `${KEY_PREFIX}:api-keys:version`;

/** KEYS[1] keys, KEYS[2] version. ARGV[1] id, ARGV[2] the version that was seen, ARGV[3] the next one. Returns 1, or 0 if it is another version. */
const REMOVE = `
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[3])
return 1
`;

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

export interface KeyListing {
  /** Oldest first. */
  readonly keys: readonly StoredKey[];
  /** Ids of entries that are damaged, or of another release's form. They open nothing, and can be removed. */
  readonly unreadable: readonly string[];
}

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

  /** False, changing nothing, if the version is another one than `seen`: what was decided by the keys of then may be wrong now. */
  async remove(id: string, seen: string): Promise<boolean> {
    return (await orQueueUnavailable(this.#redis.eval(REMOVE, 2, KEYS, VERSION, id, seen, randomUUID()))) === 1;
  }

  async list(): Promise<KeyListing> {
    const entries = Object.entries(await orQueueUnavailable(this.#redis.hgetall(KEYS)));
    const read = entries.map(([id, text]) => ({ id, key: readKey(id, text) }));
    const keys = read.flatMap(({ key }) => key ?? []).sort((a, b) => a.createdMs - b.createdMs || (a.id < b.id ? -1 : 1));
    return { keys, unreadable: read.flatMap(({ id, key }) => (key === undefined ? id : [])).sort() };
  }

  /** Another one than before: there may be other keys. */
  async version(): Promise<string> {
    return (await orQueueUnavailable(this.#redis.get(VERSION))) ?? '';
  }
}

function readKey(id: string, text: string): StoredKey | undefined {
  try {
    const key = storedKeySchema.safeParse(JSON.parse(text)).data;
    return key?.id === id ? key : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
