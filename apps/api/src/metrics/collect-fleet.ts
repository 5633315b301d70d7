import {
  batchQueue,
  expressQueue,
  INGEST_QUEUE,
  syncQueue,
  taskPayloadSchema,
  type WorkerAnnouncement,
} from '@rerank-fleet/core/contracts';
import type { JobQueue } from '@rerank-fleet/core/ports';
import type { ApiMetrics } from './api-metrics.js';
import { meteredPools } from './metered-pools.js';

export interface CollectedFleet {
  readonly queue: Pick<JobQueue, 'depth' | 'peek' | 'isPaused'>;
  readonly fleet: {
    live(): Promise<readonly WorkerAnnouncement[]>;
    remembered(): Promise<readonly { readonly pool: string }[]>;
  };
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
}

interface QueueState {
  readonly queue: string;
  readonly waiting: number;
  readonly active: number;
  readonly ageS: number;
  readonly paused: boolean;
}

/** Reads the queues and the fleet when somebody scrapes; every API process tells the same. */
export function collectFleet(metrics: ApiMetrics, parts: CollectedFleet): void {
  const { queueWaiting, queueActive, queueAge, queuePaused, liveWorkers } = metrics.instruments;
  metrics.addCollector({
    name: 'queues',
    gauges: [queueWaiting, queueActive, queueAge, queuePaused],
    read: async () => {
      const states = await readQueues(parts);
      return () => {
        for (const { queue, waiting, active, ageS, paused } of states) {
          queueWaiting.set(waiting, { queue });
          queueActive.set(active, { queue });
          queueAge.set(ageS, { queue });
          queuePaused.set(paused ? 1 : 0, { queue });
        }
      };
    },
  });
  metrics.addCollector({
    name: 'workers',
    gauges: [liveWorkers],
    read: async () => {
      const [live, known] = await Promise.all([parts.fleet.live(), meteredPools(parts.fleet)]);
      const pools = new Set([...live.map(({ pool }) => pool), ...known]);
      return () => {
        for (const pool of pools) {
          for (const state of ['ready', 'draining'] as const) {
            liveWorkers.set(live.filter((worker) => worker.pool === pool && worker.state === state).length, { pool, state });
          }
        }
      };
    },
  });
}

/** Queues of pools without a worker, too: those that wait for one count most. */
async function readQueues({ queue, fleet, now }: CollectedFleet): Promise<readonly QueueState[]> {
  const pools = await meteredPools(fleet);
  const names = [INGEST_QUEUE, ...pools.flatMap((pool) => [syncQueue(pool), batchQueue(pool), expressQueue(pool)])];
  return await Promise.all(
    names.map(async (name) => {
      const [{ waiting, active }, next, paused] = await Promise.all([queue.depth(name), queue.peek(name), queue.isPaused(name)]);
      const task = taskPayloadSchema.safeParse(next?.payload).data;
      return { queue: name, waiting, active, paused, ageS: task === undefined ? 0 : Math.max(0, now() - task.enqueued_ms) / 1_000 };
    }),
  );
}
