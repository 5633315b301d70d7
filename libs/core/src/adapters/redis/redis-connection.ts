import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { readFileSync } from 'node:fs';
import { parseRedisUrl, type RedisAddress } from '../../config/redis-address.js';
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
  /**
   * Milliseconds without any answer to what was sent, after which the connection is taken for dead and made anew: TCP takes a quarter of an hour to find that
   * its other end has gone without a word.
   *
   * @defaultValue 10,000 of a producer; 20,000 of a consumer, longer than any command blocks
   */
  readonly silenceMs?: number;
}

const ROLES = {
  producer: { enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: 5_000, socketTimeout: 10_000 },
  consumer: { maxRetriesPerRequest: null, socketTimeout: 20_000 },
} as const satisfies Record<ConnectRedisOptions['role'], RedisOptions>;

/**
 * Opens a connection and waits until it is ready.
 *
 * @param url as `parseRedisUrl` reads it
 * @throws RerankError `queue_unavailable` when Redis does not answer within ten seconds
 */
export async function connectRedis(url: string, options: ConnectRedisOptions): Promise<Redis> {
  const redis = openRedis(url, {
    ...ROLES[options.role],
    ...(options.silenceMs === undefined ? {} : { socketTimeout: options.silenceMs }),
    connectionName: `rerank-fleet-${options.name}`,
    lazyConnect: true,
    retryStrategy,
    // `Subscription` renews its own.
    autoResubscribe: false,
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

const retryStrategy = (attempt: number): number => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000);

/** Replies are as Redis gives them. */
type Options = Omit<RedisOptions, 'replyMapping'>;

/**
 * A connection that need not be there yet. A Cluster takes the same commands. All our keys are in one slot, so one of its masters serves them; the others are for when
 * that one fails.
 *
 * @param url as `parseRedisUrl` reads it
 */
export function openRedis(url: string, shared: Options): Redis {
  const address = parseRedisUrl(url);
  const { username, password, tls } = address;
  const options: Options = {
    ...shared,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls: readFiles(tls) }),
  };
  switch (address.kind) {
    case 'single':
      return new Redis({ ...options, host: address.host, port: address.port, db: address.db });
    case 'socket':
      return new Redis({ ...options, path: address.path, db: address.db });
    case 'sentinel': {
      const { sentinels, master, db, sentinelUsername, sentinelPassword } = address;
      return new Redis({
        ...options,
        db,
        name: master,
        sentinels: sentinels.map((node) => ({ ...node })),
        sentinelRetryStrategy: retryStrategy,
        // A master that was replaced while we were connected to it comes back as a replica.
        failoverDetector: true,
        ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
        ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
        ...(tls === undefined ? {} : { sentinelTLS: readFiles(tls), enableTLSForSentinelMode: true }),
      });
    }
    case 'cluster': {
      const { lazyConnect = true, enableOfflineQueue = true, ...nodes } = options;
      return new Cluster(
        address.nodes.map((node) => ({ ...node })),
        { redisOptions: nodes, lazyConnect, enableOfflineQueue, clusterRetryStrategy: retryStrategy, scaleReads: 'master' },
      ) as unknown as Redis;
    }
  }
}

function readFiles({ ca, cert, key, servername }: NonNullable<RedisAddress['tls']>): NonNullable<RedisOptions['tls']> {
  return {
    ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
    ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
    ...(servername === undefined ? {} : { servername }),
  };
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
  // Any master may have to take our slot.
  const client: unknown = redis;
  const nodes = client instanceof Cluster ? client.nodes('master') : [redis];
  for (const node of nodes) await assertNodeFit(node);
}

async function assertNodeFit(redis: Redis): Promise<void> {
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
