import type { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import type { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { INGEST_QUEUE, TASK_VERSION, type TaskPayload } from '@rerank-fleet/core/contracts';
import { SLICE_RETRIES, sliceTaskId, type BatchKeeper, type IngestJobs } from '@rerank-fleet/core/jobs';
import type { Logger } from '@rerank-fleet/core/observability';
import type { BlobStore } from '@rerank-fleet/core/ports';
import { every } from './every.js';
import { startRetention } from './retention.js';

/** How often slices are looked for whose tasks were lost with Redis. */
const SWEEP_MS = 60_000;
/** How often jobs are looked at that are over their time, or whose slices were lost. */
const KEEP_MS = 2_000;

export interface KeepJobsParts {
  readonly redis: Awaited<ReturnType<typeof connectRedis>>;
  readonly queue: Pick<BullmqJobQueue, 'enqueue'>;
  readonly blobs: BlobStore;
  readonly jobs: IngestJobs;
  readonly keeper: BatchKeeper;
  readonly clock: { now(): number };
  readonly retentionDays: number;
  readonly log: Logger;
}

/** Brings uploads and batch jobs on that others left, now and from time to time, and has old ones forgotten. Call what it returns to stop. */
export function keepJobs(parts: KeepJobsParts): () => void {
  const { redis, blobs, keeper, clock, log, retentionDays: days } = parts;
  const requeue = (): Promise<void> => requeueSlices(parts);
  const timers = [
    every(SWEEP_MS, log, requeue),
    every(KEEP_MS, log, () => keeper.sweep()),
    every(SWEEP_MS, log, () => keeper.recover()),
    startRetention({ redis, blobs, days, now: () => clock.now(), log }),
  ];
  // Not waited for: a backlog keeps no worker from its calls.
  void keeper.recover().catch((error: unknown) => log.warn({ err: error }, 'Jobs could not be looked through; it is tried again.'));
  void requeue().catch((error: unknown) => log.warn({ err: error }, 'Uploads could not be looked through; it is tried again.'));
  return () => {
    for (const timer of timers) clearInterval(timer);
  };
}

/** Uploads whose tasks Redis lost, or that were made visible by an API that died before it queued them. Queued ids are left as they are. */
async function requeueSlices({ jobs, queue, clock, log }: KeepJobsParts): Promise<void> {
  const onUnreadable = (key: string, error: unknown): void => log.error({ err: error, key }, 'A job cannot be read; it is passed over.');
  for await (const { record, slice } of jobs.unfinished(onUnreadable)) {
    const id = sliceTaskId(record.id, slice);
    const payload: TaskPayload = {
      v: TASK_VERSION,
      id,
      tenant: record.tenant,
      request_id: record.id,
      pool: 'ingest',
      enqueued_ms: clock.now(),
      body: { kind: 'ingest', job_id: record.id, slice },
    };
    await queue.enqueue(INGEST_QUEUE, { id, payload, retries: SLICE_RETRIES });
  }
}
