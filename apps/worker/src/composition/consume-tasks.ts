import type { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import type { Config } from '@rerank-fleet/core/config';
import { batchQueue, expressQueue, INGEST_QUEUE, syncQueue, taskPayloadSchema } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { IngestJobs } from '@rerank-fleet/core/jobs';
import type { Logger } from '@rerank-fleet/core/observability';
import type { QueueConsumer, TakenTask } from '@rerank-fleet/core/ports';
import { giveUpSlice } from '../ingest/ingest-task.js';
import type { TaskProcessor } from '../tasks/task-processor.js';

/** A killed worker's sync calls are done again by another inside their deadline; ingest work is longer and may wait. */
const SYNC_LOCK_MS = 5_000;
const BATCH_LOCK_MS = 15_000;
const INGEST_LOCK_MS = 30_000;
/** Slices of tenants that come with nothing in flight, taken beside the others. */
const EXPRESS_CONCURRENCY = 4;

export interface ConsumeParts {
  readonly config: Config;
  readonly queue: BullmqJobQueue;
  readonly processor: TaskProcessor;
  readonly jobs: IngestJobs;
  readonly log: Logger;
}

/** Takes sync and batch work of this worker's pool and ingest work of all. */
export async function consumeTasks({ config, queue, processor, jobs, log }: ConsumeParts): Promise<readonly QueueConsumer[]> {
  const { pool, syncConcurrency, batchConcurrency, ingestConcurrency } = config.worker;
  return [
    await queue.consume(syncQueue(pool), processor.handle, { concurrency: syncConcurrency, lockMs: SYNC_LOCK_MS }),
    await queue.consume(batchQueue(pool), processor.handle, { concurrency: batchConcurrency, lockMs: BATCH_LOCK_MS }),
    await queue.consume(expressQueue(pool), processor.handle, { concurrency: EXPRESS_CONCURRENCY, lockMs: BATCH_LOCK_MS }),
    await queue.consume(INGEST_QUEUE, processor.handle, {
      concurrency: ingestConcurrency,
      lockMs: INGEST_LOCK_MS,
      onDead: (task, error) =>
        void reportDeadSlice(jobs, task, error)
          .finally(() => processor.bury(task.id))
          .catch((fault: unknown) =>
            log.error({ err: fault, task: task.id }, 'A dead task could not be reported; the sweep queues it anew.'),
          ),
    }),
  ];
}

async function reportDeadSlice(jobs: IngestJobs, task: TakenTask, error: Error): Promise<void> {
  const payload = taskPayloadSchema.safeParse(task.payload).data;
  if (payload?.body?.kind !== 'ingest') return;
  const known =
    error instanceof RerankError
      ? error
      : new RerankError('internal_error', 'The documents could not be stored; the log of the worker says why.');
  await giveUpSlice(jobs, payload.tenant, payload.body, known);
}
