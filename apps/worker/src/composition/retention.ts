import { AdmissionJobRoom } from '@rerank-fleet/core/adapters/redis/admission-job-room';
import type { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { takeTurn } from '@rerank-fleet/core/adapters/redis/take-turn';
import { BatchJobs, IngestJobs, purgeBatchJobs, UPLOAD_KEPT_MS, type BatchPurgeParts } from '@rerank-fleet/core/jobs';
import type { Logger } from '@rerank-fleet/core/observability';
import type { BlobStore } from '@rerank-fleet/core/ports';
import { every } from './every.js';

const PURGE_MS = 3_600_000;
const DAY_MS = 24 * 3_600_000;

export interface ForgettingParts {
  readonly blobs: BlobStore;
  readonly days: number;
  /** Epoch milliseconds of Redis TIME: a machine whose clock runs ahead forgets nothing early. */
  readonly now: () => number;
  readonly onRemoved?: BatchPurgeParts['onRemoved'];
  readonly log: BatchPurgeParts['log'];
}

export interface RetentionParts extends Omit<ForgettingParts, 'onRemoved' | 'log'> {
  readonly redis: Awaited<ReturnType<typeof connectRedis>>;
  readonly log: Logger;
}

/** Has jobs forgotten that ended long ago, once an hour by one of the workers. */
export function startRetention({ redis, ...parts }: RetentionParts): NodeJS.Timeout {
  const room = new AdmissionJobRoom(redis);
  return every(PURGE_MS, parts.log, async () => {
    if (!(await takeTurn(redis, 'purge', PURGE_MS / 2))) return;
    await forgetOldJobs({ ...parts, onRemoved: ({ tenant, id }) => room.free(tenant, id) });
  });
}

/** Uploads and batch jobs that ended so many days ago go, and uploads that never became a job. */
export async function forgetOldJobs({ blobs, days, now, onRemoved, log }: ForgettingParts): Promise<void> {
  const nowMs = now();
  const endedBeforeMs = nowMs - days * DAY_MS;
  await new IngestJobs(blobs).purge(endedBeforeMs);
  // Its own, so that what it reads pushes nothing out that running jobs need.
  const jobs = new BatchJobs(blobs);
  await purgeBatchJobs(
    { blobs, jobs, log, ...(onRemoved === undefined ? {} : { onRemoved }) },
    { endedBeforeMs, begunBeforeMs: nowMs - UPLOAD_KEPT_MS },
  );
}
