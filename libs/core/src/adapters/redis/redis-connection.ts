import { Redis, type RedisOptions } from 'ioredis';
import { RerankError } from '../../errors/index.js';

/** Every key of ours and of BullMQ starts with it: one hash slot, so that our Lua scripts and BullMQ's work on a Cluster. */
export const KEY_PREFIX = '{rf}';

export interface ConnectRedisOptions {
  /** A producer fails at once when Redis is away; a consumer waits for it. */
  readonly role: 'producer' | 'consumer';
  /** Shown by `CLIENT LIST`. */
  readonly name: string;
  /** Called with faults of the connection, which ioredis mends by itself. */
  readonly onFault?: (error: Error) => void;
}

const ROLES = {
  producer: { enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: 5_000 },
  consumer: { maxRetriesPerRequest: null },
} as const satisfies Record<ConnectRedisOptions['role'], RedisOptions>;

/**
 * Opens a connection and waits until it is ready.
 *
 * @throws RerankError `queue_unavailable` when Redis does not answer within ten seconds
 */
export async function connectRedis(url: string, options: ConnectRedisOptions): Promise<Redis> {
  const redis = new Redis(url.replace(/^unix:\/\//, ''), {
    ...ROLES[options.role],
    connectionName: `rerank-fleet-${options.name}`,
    lazyConnect: true,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000),
  });
  redis.on('error', (error: Error) => options.onFault?.(error));
  const ready = new Promise<void>((resolve, reject) => {
    redis.once('ready', resolve);
    setTimeout(() => reject(new Error('no answer within 10 s')), 10_000).unref();
  });
  try {
    redis.connect().catch(() => undefined);
    await ready;
  } catch (error) {
    redis.disconnect();
    throw new RerankError('queue_unavailable', 'Redis cannot be reached; check REDIS_URL and that the server runs.', {
      cause: error,
      retryAfterS: 5,
    });
  }
  return redis;
}

/** A Redis that would lose tasks: what is wrong, and what to set. */
export class UnfitRedisError extends Error {
  override readonly name = 'UnfitRedisError';
}

/**
 * Refuses a Redis that is too old, that evicts keys or that keeps nothing on disk: each loses accepted tasks silently.
 *
 * @throws UnfitRedisError
 */
export async function assertRedisFit(redis: Redis): Promise<void> {
  const info = parseInfo(await redis.info());
  const version = info.get('redis_version') ?? '0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2)) throw new UnfitRedisError(`Redis ${version} is too old: 6.2 or later is needed.`);
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    throw new UnfitRedisError(`Redis evicts keys (maxmemory-policy ${policy}), so tasks would vanish: set maxmemory-policy to noeviction.`);
  }
  if (info.get('aof_enabled') !== '1' && (await snapshotsAreOff(redis))) {
    throw new UnfitRedisError('Redis keeps nothing on disk: set appendonly to yes.');
  }
}

/** A managed Redis may forbid CONFIG; its operator answers for persistence then. */
async function snapshotsAreOff(redis: Redis): Promise<boolean> {
  const reply = await redis.config('GET', 'save').catch(() => undefined);
  return Array.isArray(reply) && reply[1] === '';
}

function parseInfo(text: string): Map<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** Runs a command and turns a lost connection into the error clients see. */
export async function orQueueUnavailable<T>(command: Promise<T>): Promise<T> {
  try {
    return await command;
  } catch (error) {
    if (error instanceof RerankError) throw error;
    throw new RerankError('queue_unavailable', 'The queue (Redis) cannot be reached. Nothing was accepted; try again.', {
      cause: error,
      retryAfterS: 2,
    });
  }
}
