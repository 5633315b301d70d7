import type { CancelWatch } from '@rerank-fleet/core/adapters/redis/cancel-watch';
import { AdmissionJobRoom } from '@rerank-fleet/core/adapters/redis/admission-job-room';
import { RedisBatchLedger } from '@rerank-fleet/core/adapters/redis/redis-batch-ledger';
import type { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import type { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { RowSuspects } from '@rerank-fleet/core/adapters/redis/row-suspects';
import type { Config } from '@rerank-fleet/core/config';
import type { BatchTask, WorkerAnnouncement } from '@rerank-fleet/core/contracts';
import { BatchDispatcher, BatchJobs, BatchKeeper, enqueueWebhook, slotsOf, type BatchRecord } from '@rerank-fleet/core/jobs';
import type { RerankError } from '@rerank-fleet/core/errors';
import type { Logger } from '@rerank-fleet/core/observability';
import type { BlobStore, DocumentStore, JobQueue } from '@rerank-fleet/core/ports';
import { poolsOf } from '@rerank-fleet/core/requests';
import type { BatchParts } from '../batch/batch-parts.js';
import { batchTask, giveUpBatchSlice } from '../batch/batch-task.js';
import { FairRows } from '../batch/fair-rows.js';
import type { RowParts } from '../batch/run-row.js';
import type { TaskHandlers } from '../tasks/task-processor.js';

/** Batches of each session that the rows in hand fill, so that the planner finds neighbours in length and no row waits long. */
const BATCHES_AHEAD = 4;
const USUAL_PAIR_TOKENS = 128;
const LEAST_PAIRS_AT_ONCE = 256;
/** Pairs of a tenant's turn: a job of twenty searches is through with its first. */
const QUANTUM_PAIRS = 1_024;

export interface BatchStartParts {
  readonly config: Config;
  readonly redis: Awaited<ReturnType<typeof connectRedis>>;
  readonly blobs: BlobStore;
  readonly queue: Pick<JobQueue, 'enqueue' | 'discard'>;
  readonly registry: FleetRegistry;
  readonly documents: Pick<DocumentStore, 'findCorpus'>;
  readonly cancels: CancelWatch;
  readonly clock: { now(): number };
  readonly announcement: WorkerAnnouncement;
  readonly handlers: RowParts['handlers'];
  readonly log: Logger;
}

export interface BatchWork {
  readonly handler: TaskHandlers['batch'];
  /** Ends a slice that the queue will not hand out again. */
  readonly giveUp: (tenant: string, body: BatchTask, error: RerankError) => Promise<void>;
  readonly keeper: BatchKeeper;
}

/** The worker's share in batch jobs: running slices, refilling the window, and bringing to their end jobs that others left. */
export function startBatch(parts: BatchStartParts): BatchWork {
  const { config, redis, queue, registry, clock, log } = parts;
  const now = (): number => clock.now();
  const ledger = new RedisBatchLedger(redis, now);
  const jobs = new BatchJobs(parts.blobs);
  const dispatcher = new BatchDispatcher({ ledger, queue, slotsOf: slotsOf(registry), weights: config.jobs.tenantWeights, now });
  const room = new AdmissionJobRoom(redis);
  const onEnded = async (record: BatchRecord): Promise<void> => {
    await room.freeRows(record.tenant, record.id);
    await enqueueWebhook(queue, record);
  };
  const keeper = new BatchKeeper({ jobs, ledger, dispatcher, onEnded, log, now });
  const [pool] = poolsOf([parts.announcement], []);
  if (pool === undefined) throw new RangeError('A worker is a pool of one.');
  const batch: BatchParts = {
    jobs,
    ledger,
    keeper,
    dispatcher,
    handlers: parts.handlers,
    documents: parts.documents,
    pool,
    aliases: config.models.aliases,
    fairRows: new FairRows({ pairsAtOnce: pairsAtOnce(parts.announcement), quantum: QUANTUM_PAIRS }),
    cancels: parts.cancels,
    suspects: new RowSuspects(redis),
    log,
  };
  return {
    handler: batchTask(batch),
    giveUp: (tenant, { job_id: job, slice }, error) => giveUpBatchSlice(batch, { tenant, job, slice }, error),
    keeper,
  };
}

function pairsAtOnce({ engine }: WorkerAnnouncement): number {
  if (engine === undefined) return LEAST_PAIRS_AT_ONCE;
  return Math.max(LEAST_PAIRS_AT_ONCE, Math.ceil((BATCHES_AHEAD * engine.sessions * engine.max_batch_tokens) / USUAL_PAIR_TOKENS));
}
