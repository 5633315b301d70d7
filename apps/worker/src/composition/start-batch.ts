import { RedisBatchLedger } from '@rerank-fleet/core/adapters/redis/redis-batch-ledger';
import type { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import type { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import type { Config } from '@rerank-fleet/core/config';
import type { WorkerAnnouncement } from '@rerank-fleet/core/contracts';
import { BatchDispatcher, BatchJobs, BatchKeeper, slotsOf } from '@rerank-fleet/core/jobs';
import type { Logger } from '@rerank-fleet/core/observability';
import type { BlobStore, DocumentStore, JobQueue } from '@rerank-fleet/core/ports';
import { poolsOf } from '@rerank-fleet/core/requests';
import { batchTask } from '../batch/batch-task.js';
import type { RowParts } from '../batch/run-row.js';
import type { TaskHandlers } from '../tasks/task-processor.js';

/** Rows of a slice that run at once: enough to fill batches, few enough to bound the memory. */
const ROWS_AT_ONCE = 16;

export interface BatchStartParts {
  readonly config: Config;
  readonly redis: Awaited<ReturnType<typeof connectRedis>>;
  readonly blobs: BlobStore;
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly registry: FleetRegistry;
  readonly documents: Pick<DocumentStore, 'findCorpus'>;
  readonly clock: { now(): number };
  readonly announcement: WorkerAnnouncement;
  readonly handlers: RowParts['handlers'];
  readonly log: Logger;
}

export interface BatchWork {
  readonly handler: TaskHandlers['batch'];
  readonly jobs: BatchJobs;
  readonly keeper: BatchKeeper;
}

/** The worker's share in batch jobs: running slices, refilling the window, and bringing to their end jobs that others left. */
export function startBatch(parts: BatchStartParts): BatchWork {
  const { config, redis, queue, registry, clock, log } = parts;
  const now = (): number => clock.now();
  const ledger = new RedisBatchLedger(redis, now);
  const jobs = new BatchJobs(parts.blobs);
  const dispatcher = new BatchDispatcher({ ledger, queue, slotsOf: slotsOf(registry), weights: {}, now });
  const keeper = new BatchKeeper({ jobs, ledger, dispatcher, onEnded: () => Promise.resolve(), log, now });
  const [pool] = poolsOf([parts.announcement], []);
  if (pool === undefined) throw new RangeError('A worker is a pool of one.');
  const handler = batchTask({
    jobs,
    ledger,
    keeper,
    dispatcher,
    handlers: parts.handlers,
    documents: parts.documents,
    pool,
    aliases: config.models.aliases,
    rowsAtOnce: ROWS_AT_ONCE,
  });
  return { handler, jobs, keeper };
}
