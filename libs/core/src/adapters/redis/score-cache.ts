import type { Redis } from 'ioredis';
import type { PairScore } from '../../ports/index.js';
import { KEY_PREFIX, openRedis } from './redis-connection.js';
import { decodeScore, encodeScore } from './score-cache-value.js';

export interface RedisScoreCacheOptions {
  /** As `parseRedisUrl` reads it. */
  readonly url: string;
  /** Seconds that a score is kept. */
  readonly ttlS: number;
  /** Longest wait for a look-up, in milliseconds. @defaultValue 20: less than scoring a few pairs */
  readonly lookUpMs?: number;
  /** Called once for each look-up or write that Redis did not answer as it should. */
  readonly onFailure?: (error: Error) => void;
}

const LOOK_UP_MS = 20;
/** A write that takes longer than this is given up. */
const COMMAND_TIMEOUT_MS = 1_000;
/** A connection that leaves what was sent unanswered for so long is made anew: its other end may have gone without a word. */
const SILENCE_MS = 5_000;
/** Keys of one command, so that none holds Redis for long. */
const KEYS_AT_ONCE = 500;
/** Scores on their way to Redis; beyond, new ones are not kept. */
const MOST_PENDING = 20_000;

const keyOf = (digest: string): string => `${KEY_PREFIX}:score:${digest}`;

/**
 * Scores that workers share, by digests that their caller makes; no text comes here. It never rejects and takes no more than `lookUpMs`: what Redis does not
 * tell in time is unknown.
 */
export class RedisScoreCache {
  readonly #redis: Redis;
  readonly #options: RedisScoreCacheOptions;
  readonly #reads = new Rest();
  /** Apart from reads: a Redis that is full refuses writes and still tells what it has. */
  readonly #writes = new Rest();
  #pending = 0;

  constructor(options: RedisScoreCacheOptions) {
    this.#options = options;
    this.#redis = openRedis(options.url, {
      connectionName: 'rerank-fleet-scores',
      lazyConnect: false,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: COMMAND_TIMEOUT_MS,
      socketTimeout: SILENCE_MS,
      retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000),
    });
    // What matters is told by commands; without a listener the fault would end the process.
    this.#redis.on('error', () => undefined);
  }

  /** In the order of the digests. */
  async getMany(digests: readonly string[]): Promise<readonly (PairScore | undefined)[]> {
    if (digests.length === 0 || this.#reads.lasts()) return digests.map(() => undefined);
    let timer: NodeJS.Timeout | undefined;
    const lookUpMs = this.#options.lookUpMs ?? LOOK_UP_MS;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${lookUpMs} ms`)), lookUpMs);
    });
    const reads = Promise.all(chunksOf(digests).map((chunk) => this.#redis.mgetBuffer(...chunk.map(keyOf))));
    reads.catch(() => undefined);
    try {
      const values = (await Promise.race([reads, late])).flat();
      this.#reads.end();
      return digests.map((_, position) => {
        const value = values[position];
        return value === null || value === undefined ? undefined : decodeScore(value);
      });
    } catch (error) {
      this.#failed(this.#reads, error as Error);
      return digests.map(() => undefined);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Writes in the background. */
  setMany(entries: readonly (readonly [digest: string, score: PairScore])[]): void {
    if (entries.length === 0 || this.#reads.lasts() || this.#writes.lasts()) return;
    if (this.#pending + entries.length > MOST_PENDING) return;
    this.#pending += entries.length;
    void Promise.all(chunksOf(entries).map((chunk) => this.#write(chunk)))
      .then(() => this.#writes.end())
      .catch((error: unknown) => this.#failed(this.#writes, error as Error))
      .finally(() => (this.#pending -= entries.length));
  }

  /** Resolves once Redis answers; for those who must know before they look anything up. */
  async ready(): Promise<void> {
    if (this.#redis.status === 'ready') return;
    await new Promise<void>((resolve) => this.#redis.once('ready', resolve));
  }

  close(): void {
    this.#redis.disconnect();
  }

  async #write(entries: readonly (readonly [digest: string, score: PairScore])[]): Promise<void> {
    const pipeline = this.#redis.pipeline();
    for (const [digest, score] of entries) pipeline.set(keyOf(digest), encodeScore(score), 'EX', this.#options.ttlS);
    const failed = (await pipeline.exec())?.find(([error]) => error !== null);
    if (failed?.[0]) throw failed[0];
  }

  #failed(rest: Rest, error: Error): void {
    rest.begin();
    this.#options.onFailure?.(error);
  }
}

/** For the first of these milliseconds after a failure, then for twice as long each time, up to the last: one call in a while pays for the try. */
const REST_MS = { first: 1_000, last: 30_000 } as const;

class Rest {
  #failuresInARow = 0;
  #until = 0;

  lasts(): boolean {
    return performance.now() < this.#until;
  }

  begin(): void {
    // What was under way when Redis went fails at once, and counts once.
    if (this.lasts()) return;
    this.#until = performance.now() + Math.min(REST_MS.first * 2 ** this.#failuresInARow, REST_MS.last);
    this.#failuresInARow += 1;
  }

  /** Of failures in a row: one went well. */
  end(): void {
    this.#failuresInARow = 0;
  }
}

function chunksOf<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / KEYS_AT_ONCE) }, (_, at) => items.slice(at * KEYS_AT_ONCE, (at + 1) * KEYS_AT_ONCE));
}
