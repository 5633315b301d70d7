import type { BlobStore } from '../../ports/index.js';
import { isJobId, timeOfJobId } from '../job-id.js';
import type { BatchJobs } from './batch-jobs.js';
import { indexKey, jobFolder, jobOfIndexKey, openKey, uploadFolder } from './batch-layout.js';
import { IdempotencyKeys } from './idempotency-keys.js';

export interface BatchPurgeParts {
  readonly blobs: BlobStore;
  readonly jobs: BatchJobs;
  /** Called when a job is no more: what it took is free. */
  readonly onRemoved?: (job: JobName) => Promise<void>;
  readonly log: { error(fields: object, message: string): void };
}

export interface BatchPurgeTimes {
  /** Jobs that ended before go. Epoch milliseconds. */
  readonly endedBeforeMs: number;
  /** Uploads that were begun before and are no job's, and traces of jobs that never came to be, go. */
  readonly begunBeforeMs: number;
}

export const UPLOAD_KEPT_MS = 24 * 3_600_000;

/** Removes what nobody will ask for any more. It may run in many processes at once, and be cut off anywhere: the next one goes on. */
export async function purgeBatchJobs(parts: BatchPurgeParts, times: BatchPurgeTimes): Promise<void> {
  const attempt = async (id: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      parts.log.error({ err: error, job: id }, 'What is left of an old job could not be removed; it is tried again.');
    }
  };
  for await (const { tenant, id } of idsUnder(parts.blobs, 'job-index', jobOfIndexKey))
    await attempt(id, () => purgeJob(parts, times, { tenant, id }));
  await purgeUploads(parts, times.begunBeforeMs, attempt);
  for await (const key of parts.blobs.list('idempotency')) await attempt(key, () => purgeClaim(parts, times.begunBeforeMs, key));
}

export interface JobName {
  readonly tenant: string;
  readonly id: string;
}

async function purgeJob({ blobs, jobs, onRemoved }: BatchPurgeParts, times: BatchPurgeTimes, name: JobName): Promise<void> {
  const { tenant, id } = name;
  // A job does not end before it begins: of younger ones nothing is read.
  if (timeOfJobId(id) >= Math.max(times.endedBeforeMs, times.begunBeforeMs)) return;
  const isThere = await jobs.isThere(name);
  const record = isThere ? await jobs.readableRecord(tenant, id) : undefined;
  if (record !== undefined) {
    const done = await jobs.done(record);
    if (done === undefined || done.ended_ms >= times.endedBeforeMs || (await jobs.isOpen(record))) return;
    await jobs.remove(record);
    await onRemoved?.(name);
  } else if (timeOfJobId(id) < (isThere ? times.endedBeforeMs : times.begunBeforeMs)) {
    // It never came to be, or its removal was cut off, or nobody can read it.
    await blobs.deleteUnder(jobFolder(tenant, id));
    await blobs.delete(openKey(tenant, id));
    await blobs.delete(indexKey(tenant, id));
    if (isThere) await onRemoved?.(name);
  }
}

type Attempt = (id: string, work: () => Promise<void>) => Promise<void>;

async function purgeUploads({ blobs, jobs }: BatchPurgeParts, begunBeforeMs: number, attempt: Attempt): Promise<void> {
  let seen = '';
  let used: Promise<ReadonlySet<string>> | undefined;
  for await (const { tenant, id } of idsUnder(blobs, 'uploads', (key) => key.split('/')[2] ?? '')) {
    const folder = uploadFolder(tenant, id);
    if (folder === seen || timeOfJobId(id) >= begunBeforeMs) continue;
    seen = folder;
    await attempt(id, async () => {
      // Nearly always the job has its upload's id; a job that an earlier idempotency claim named has another.
      if ((await jobs.isThere({ tenant, id })) && (await jobs.record(tenant, id))?.upload === folder) return;
      if ((await (used ??= uploadsInUse(blobs, jobs))).has(folder)) return;
      await blobs.deleteUnder(folder);
    });
  }
}

async function uploadsInUse(blobs: BlobStore, jobs: BatchJobs): Promise<ReadonlySet<string>> {
  const used = new Set<string>();
  for await (const { tenant, id } of idsUnder(blobs, 'job-index', jobOfIndexKey)) {
    const record = await jobs.readableRecord(tenant, id);
    if (record !== undefined) used.add(record.upload);
  }
  return used;
}

/** A key that was claimed for a job that never came to be, or is no more. */
async function purgeClaim({ blobs, jobs }: BatchPurgeParts, begunBeforeMs: number, key: string): Promise<void> {
  const [, tenant = ''] = key.split('/');
  const claim = IdempotencyKeys.parse(await blobs.get(key));
  if (claim === undefined || timeOfJobId(claim.job) >= begunBeforeMs) return;
  if (!(await jobs.isThere({ tenant, id: claim.job }))) await blobs.delete(key);
}

async function* idsUnder(blobs: BlobStore, prefix: string, idOf: (key: string) => string): AsyncGenerator<JobName, void, undefined> {
  for await (const key of blobs.list(prefix)) {
    const [, tenant = ''] = key.split('/');
    const id = idOf(key);
    if (isJobId(id)) yield { tenant, id };
  }
}
