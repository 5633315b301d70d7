import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { HEARTBEAT_MS, type FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import type { Config } from '@rerank-fleet/core/config';
import type { WorkerAnnouncement } from '@rerank-fleet/core/contracts';
import type { Logger } from '@rerank-fleet/core/observability';
import type { WorkerOps } from '../ops/worker-ops.js';
import { WorkerStats } from '../ops/worker-stats.js';
import { every } from './every.js';
import type { RunningModels } from './start-models.js';

export interface AnnounceParts {
  /** What does not change. */
  readonly announcement: WorkerAnnouncement;
  readonly models: RunningModels;
  readonly ops: WorkerOps;
  readonly registry: FleetRegistry;
  readonly clock: { now(): number };
  readonly log: Logger;
}

export interface Announcer {
  /** Tells the fleet of a change at once. */
  tell(): Promise<void>;
  /** The worker is no part of the fleet any more. */
  withdraw(): Promise<void>;
}

export function describeWorker({ worker }: Config, models: RunningModels): WorkerAnnouncement {
  return {
    worker_id: `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`,
    pool: worker.pool,
    state: 'ready',
    device: worker.device,
    models: [...models.revisions],
    started_at: Date.now(),
    engine: models.engine,
    batch_slots: worker.batchConcurrency,
  };
}

/** Tells the fleet of this worker, now and with each heartbeat, also while it drains. */
export async function announceWorker({ announcement, models, ops, registry, clock, log }: AnnounceParts): Promise<Announcer> {
  const stats = new WorkerStats({
    totals: () => models.meter.totals,
    cache: models.cacheStats,
    pairsWaiting: () => models.scheduler.stats.waiting,
    sessions: () => models.engine.sessions,
  });
  const tell = (): Promise<void> =>
    registry.announce({
      ...announcement,
      state: ops.state === 'draining' ? 'draining' : 'ready',
      announced_at: clock.now(),
      rss_bytes: process.memoryUsage.rss(),
      engine: models.engine,
      stats: stats.read(),
    });
  await tell();
  const heartbeat = every(HEARTBEAT_MS, log, tell);
  return {
    tell,
    withdraw: async () => {
      clearInterval(heartbeat);
      await registry.withdraw(announcement.worker_id);
    },
  };
}
