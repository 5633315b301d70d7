import { AdmissionJobRoom } from '@rerank-fleet/core/adapters/redis/admission-job-room';
import type { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { takeTurn } from '@rerank-fleet/core/adapters/redis/take-turn';
import { BatchJobs, IngestJobs, purgeBatchJobs, UPLOAD_KEPT_MS } from '@rerank-fleet/core/jobs';
import type { Logger } from '@rerank-fleet/core/observability';
import type { BlobStore } from '@rerank-fleet/core/ports';
import { every } from './every.js';

const PURGE_MS = 3_600_000;
const DAY_MS = 24 * 3_600_000;

export interface RetentionParts {
  readonly redis: Awaited<ReturnType<typeof connectRedis>>;
  readonly blobs: BlobStore;
  readonly days: number;
  readonly log: Logger;
}

/** Has jobs forgotten that ended long ago, once an hour by one of the workers. */
export function startRetention({ redis, blobs, days, log }: RetentionParts): NodeJS.Timeout {
  const ingests = new IngestJobs(blobs);
  const room = new AdmissionJobRoom(redis);
  return every(PURGE_MS, log, async () => {
    if (!(await takeTurn(redis, 'purge', PURGE_MS / 2))) return;
    const now = Date.now();
    await ingests.purge(now - days * DAY_MS);
    // Its own, so that what it reads pushes nothing out that running jobs need.
    await purgeBatchJobs(
      { blobs, jobs: new BatchJobs(blobs), onRemoved: ({ tenant, id }) => room.free(tenant, id), log },
      { endedBeforeMs: now - days * DAY_MS, begunBeforeMs: now - UPLOAD_KEPT_MS },
    );
  });
}
