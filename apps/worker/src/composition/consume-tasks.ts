import type { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import type { Config } from '@rerank-fleet/core/config';
import {
  batchQueue,
  expressQueue,
  INGEST_QUEUE,
  syncQueue,
  taskPayloadSchema,
  type BatchTask,
  type IngestTask,
} from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { Logger } from '@rerank-fleet/core/observability';
import type { QueueConsumer, TakenTask } from '@rerank-fleet/core/ports';
import type { TaskProcessor } from '../tasks/task-processor.js';

/** A killed worker's sync calls are done again by another inside their deadline; work of jobs and uploads may wait a little. */
const SYNC_LOCK_MS = 5_000;
const BATCH_LOCK_MS = 10_000;
const INGEST_LOCK_MS = 10_000;
/** Slices of tenants that come with nothing in flight, taken beside the others. */
const EXPRESS_CONCURRENCY = 4;

export type GiveUpSlice = (tenant: string, body: IngestTask | BatchTask, error: RerankError) => Promise<void>;

export interface ConsumeParts {
  readonly config: Config;
  readonly queue: BullmqJobQueue;
  readonly processor: TaskProcessor;
  readonly giveUp: GiveUpSlice;
  readonly log: Logger;
}

/** Takes sync and batch work of this worker's pool and ingest work of all. */
export async function consumeTasks({ config, queue, processor, giveUp, log }: ConsumeParts): Promise<readonly QueueConsumer[]> {
  const { pool, syncConcurrency, batchConcurrency, ingestConcurrency } = config.worker;
  const onDead = (task: TakenTask, error: Error): void =>
    void reportDeadSlice(giveUp, task, error)
      .finally(() => processor.bury(task.id))
      .catch((fault: unknown) => log.error({ err: fault, task: task.id }, 'A dead task could not be reported; the sweep queues it anew.'));
  return [
    await queue.consume(syncQueue(pool), processor.handle, { concurrency: syncConcurrency, lockMs: SYNC_LOCK_MS }),
    await queue.consume(batchQueue(pool), processor.handle, { concurrency: batchConcurrency, lockMs: BATCH_LOCK_MS, onDead }),
    await queue.consume(expressQueue(pool), processor.handle, { concurrency: EXPRESS_CONCURRENCY, lockMs: BATCH_LOCK_MS, onDead }),
    await queue.consume(INGEST_QUEUE, processor.handle, { concurrency: ingestConcurrency, lockMs: INGEST_LOCK_MS, onDead }),
  ];
}

/** A slice that is not tried again ends with what went wrong, so that its job ends. */
async function reportDeadSlice(giveUp: GiveUpSlice, task: TakenTask, error: Error): Promise<void> {
  const payload = taskPayloadSchema.safeParse(task.payload).data;
  if (payload?.body?.kind !== 'ingest' && payload?.body?.kind !== 'batch') return;
  const known =
    error instanceof RerankError ? error : new RerankError('internal_error', 'It could not be done; the log of the worker says why.');
  await giveUp(payload.tenant, payload.body, known);
}
