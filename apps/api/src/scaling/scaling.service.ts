import {
  batchQueue,
  expressQueue,
  INGEST_QUEUE,
  syncQueue,
  taskPayloadSchema,
  WEBHOOKS_QUEUE,
  type ScalingBody,
  type WorkerAnnouncement,
} from '@rerank-fleet/core/contracts';
import type { JobQueue } from '@rerank-fleet/core/ports';
import { DEFAULT_POOL, poolsOf, type FleetSource } from '@rerank-fleet/core/requests';
import { desiredWorkers, INGEST_SLICE_TOKENS, type PoolDemand, type ScalingBounds } from './desired-workers.js';

/** What the working memory knows of the demand for a pool. */
export interface DemandSource {
  sync(pool: string): Promise<PoolDemand['sync']>;
  /** @param withinMs after its submission a job should be done */
  batch(pool: string, withinMs: number): Promise<PoolDemand['batch']>;
  isDemanded(pool: string): Promise<boolean>;
  /** Tokens a second of one worker, as one of the pool last measured it. */
  lastSpeed(pool: string): Promise<number | undefined>;
}

export interface ScalingSettings extends ScalingBounds {
  /** Tokens a second of a worker as long as none has measured it. */
  readonly workerTokensPerS: number;
}

export interface ScalingServiceParts {
  readonly demand: DemandSource;
  readonly fleet: Pick<FleetSource, 'live' | 'remembered'>;
  readonly queue: Pick<JobQueue, 'depth' | 'peek'>;
  readonly settings: ScalingSettings;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
}

/** How a pool stands. */
export interface PoolScaling extends ScalingBody {
  readonly tokens: { readonly sync: number; readonly batch: number; readonly ingest: number };
}

interface QueueLoad {
  readonly tasks: number;
  readonly ageS: number;
}

/** Workers that pools need, from what all processes of the API know together. */
export class ScalingService {
  readonly #parts: ScalingServiceParts;

  constructor(parts: ScalingServiceParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `queue_unavailable` */
  async read(pool: string): Promise<ScalingBody> {
    const { tokens: _, ...body } = await this.of(pool);
    return body;
  }

  /** @throws RerankError `queue_unavailable` */
  async of(pool: string): Promise<PoolScaling> {
    const { demand: source, fleet, settings } = this.#parts;
    const [live, remembered] = await Promise.all([fleet.live(), fleet.remembered()]);
    const [first] = poolsOf(live, remembered);
    const [sync, batch, isDemanded, lastSpeed, own, shared, ingest] = await Promise.all([
      source.sync(pool),
      source.batch(pool, settings.batchDrainS * 1_000),
      source.isDemanded(pool),
      source.lastSpeed(pool),
      this.#loadOf([syncQueue(pool), batchQueue(pool), expressQueue(pool)]),
      this.#loadOf([WEBHOOKS_QUEUE]),
      this.#loadOf([INGEST_QUEUE]),
    ]);
    // Any worker does uploads and webhooks. One pool is asked for them: that of the fleet's default, or one that has workers anyway.
    const isAskedForShared = pool === (first?.pool ?? DEFAULT_POOL);
    const loads = isAskedForShared ? [own, shared, ingest] : [own];
    const demand: PoolDemand = {
      sync,
      batch,
      isDemanded,
      ingestSlices: isAskedForShared ? ingest.tasks : 0,
      tasks: loads.reduce((sum, { tasks }) => sum + tasks, 0),
    };
    const workers = live.filter((worker) => worker.pool === pool && worker.state === 'ready');
    const tokens = { sync: sync.tokens, batch: Math.ceil(batch.tokens), ingest: demand.ingestSlices * INGEST_SLICE_TOKENS };
    return {
      pool,
      outstanding_tokens: tokens.sync + tokens.batch + tokens.ingest,
      oldest_age_s: Math.max(...loads.map(({ ageS }) => ageS)),
      live_workers: workers.length,
      desired_workers: desiredWorkers(demand, speedOf(workers) ?? lastSpeed ?? settings.workerTokensPerS, settings),
      tokens,
    };
  }

  async #loadOf(queues: readonly string[]): Promise<QueueLoad> {
    const { queue, now } = this.#parts;
    const loads = await Promise.all(
      queues.map(async (name) => {
        const [{ waiting, active }, next] = await Promise.all([queue.depth(name), queue.peek(name)]);
        const task = taskPayloadSchema.safeParse(next?.payload).data;
        return { tasks: waiting + active, ageS: task === undefined ? 0 : Math.max(0, now() - task.enqueued_ms) / 1_000 };
      }),
    );
    return {
      tasks: loads.reduce((sum, { tasks }) => sum + tasks, 0),
      ageS: Math.max(...loads.map(({ ageS }) => ageS)),
    };
  }
}

/** Mean of those that have measured it. */
function speedOf(workers: readonly WorkerAnnouncement[]): number | undefined {
  const speeds = workers.flatMap(({ stats }) => stats?.tokens_per_s ?? []);
  return speeds.length === 0 ? undefined : speeds.reduce((sum, speed) => sum + speed, 0) / speeds.length;
}
