import type { Redis } from 'ioredis';
import { z } from 'zod';
import { modelRevisionSchema, workerAnnouncementSchema, type WorkerAnnouncement } from '../../contracts/index.js';
import type { ModelRevision } from '../../domain/index.js';
import { KEY_PREFIX, orQueueUnavailable } from './redis-connection.js';

/** A worker that has not been heard of for this long is dead. */
export const HEARTBEAT_TTL_MS = 15_000;
export const HEARTBEAT_MS = 5_000;
const DEMAND_TTL_MS = 120_000;

const WORKERS = `${KEY_PREFIX}:workers`;
const POOLS = `${KEY_PREFIX}:pools`;
/** Tokens a second of one worker of a pool, as the last one that had measured it said: known also while nobody works. */
const SPEEDS = `${KEY_PREFIX}:speeds`;
const workerKey = (id: string): string => `${KEY_PREFIX}:worker:${id}`;
const demandKey = (pool: string): string => `${KEY_PREFIX}:demand:${pool}`;

export interface RememberedPool {
  readonly pool: string;
  readonly models: readonly ModelRevision[];
}

const rememberedModelsSchema = z.array(modelRevisionSchema);

/** Who works in the fleet, by the workers' own heartbeats. Pools are remembered when their last worker is gone. */
export class FleetRegistry {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async announce(worker: WorkerAnnouncement): Promise<void> {
    const told = this.#redis
      .multi()
      .set(workerKey(worker.worker_id), JSON.stringify(worker), 'PX', HEARTBEAT_TTL_MS)
      .sadd(WORKERS, worker.worker_id)
      .hset(POOLS, worker.pool, JSON.stringify(worker.models));
    const speed = worker.stats?.tokens_per_s;
    if (speed !== undefined) told.hset(SPEEDS, worker.pool, speed);
    await told.exec();
  }

  async withdraw(workerId: string): Promise<void> {
    await this.#redis.multi().del(workerKey(workerId)).srem(WORKERS, workerId).exec();
  }

  /** Newest first. */
  async live(): Promise<readonly WorkerAnnouncement[]> {
    const ids = await orQueueUnavailable(this.#redis.smembers(WORKERS));
    if (ids.length === 0) return [];
    const texts = await orQueueUnavailable(this.#redis.mget(...ids.map(workerKey)));
    const dead = ids.filter((_, position) => texts[position] === null);
    if (dead.length > 0) await orQueueUnavailable(this.#redis.srem(WORKERS, ...dead));
    return texts
      .flatMap((text) => {
        const parsed = text === null || text === undefined ? undefined : workerAnnouncementSchema.safeParse(JSON.parse(text));
        return parsed?.success === true ? [parsed.data] : [];
      })
      .sort((a, b) => b.started_at - a.started_at);
  }

  /** Every pool that ever had a worker, with the models of the last one. */
  async remembered(): Promise<readonly RememberedPool[]> {
    const pools = await orQueueUnavailable(this.#redis.hgetall(POOLS));
    // What a worker of another release left may be of another form: it is as if the pool had never been.
    return Object.entries(pools).flatMap(([pool, text]) => {
      const models = rememberedModelsSchema.safeParse(JSON.parse(text));
      return models.success ? [{ pool, models: models.data as ModelRevision[] }] : [];
    });
  }

  /** Says that somebody waited for a pool without workers; scaling from zero looks at it. */
  async markDemand(pool: string): Promise<void> {
    await orQueueUnavailable(this.#redis.set(demandKey(pool), '1', 'PX', DEMAND_TTL_MS));
  }

  /** Whether somebody has waited for a pool without workers in the last two minutes. */
  async isDemanded(pool: string): Promise<boolean> {
    return (await orQueueUnavailable(this.#redis.exists(demandKey(pool)))) === 1;
  }

  /** Tokens a second of one worker of the pool, as one of them last measured it; undefined: none ever has. */
  async lastSpeed(pool: string): Promise<number | undefined> {
    const speed = Number(await orQueueUnavailable(this.#redis.hget(SPEEDS, pool)));
    return speed > 0 ? speed : undefined;
  }
}
