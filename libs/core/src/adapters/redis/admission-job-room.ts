import type { Redis } from 'ioredis';
import type { HeldJobs, HoldVerdict, JobCorrections, JobRoom, JobSize } from '../../jobs/index.js';
import { AdmissionScript } from './admission-script.js';
import { FREE_JOB, HOLD_JOB, KEEP_JOB, SETTLE_JOBS } from './admission-job-scripts.js';
import { KEY_PREFIX, orQueueUnavailable } from './redis-connection.js';

/** An upload that nobody has told of for so long is given up: its process has died. */
const HOLD_MS = 120_000;
/** Ids and numbers in one call of a script. */
const VALUES_AT_ONCE = 3_000;

const HOLD = new AdmissionScript(HOLD_JOB);
const KEEP = new AdmissionScript(KEEP_JOB);
const FREE = new AdmissionScript(FREE_JOB);
const SETTLE = new AdmissionScript(SETTLE_JOBS);

/**
 * Rows and bytes that batch jobs, or uploaded files, of tenants take, of all processes. Every call names its job, so that doing it again changes nothing.
 *
 * @throws RerankError `queue_unavailable`
 */
export class AdmissionJobRoom implements JobRoom {
  readonly #redis: Redis;
  readonly #holdMs: number;
  readonly #of: 'jobs' | 'files';

  /**
   * @param holdMs how long an upload keeps its room when nothing more is heard of it
   * @param of what takes the room: an uploaded file is one row
   */
  constructor(redis: Redis, holdMs = HOLD_MS, of: 'jobs' | 'files' = 'jobs') {
    this.#redis = redis;
    this.#holdMs = holdMs;
    this.#of = of;
  }

  /** The room of uploaded files. */
  static ofFiles(redis: Redis): AdmissionJobRoom {
    return new AdmissionJobRoom(redis, HOLD_MS, 'files');
  }

  /** Takes room for an upload, in place of what it took before, whole or not at all. What is told of an upload that is held is the room that is left. */
  async hold(tenant: string, id: string, size: JobSize, limits: JobSize): Promise<HoldVerdict> {
    const values = [id, size.rows, size.bytes, limits.rows, limits.bytes, this.#holdMs];
    const [outcome, rows, bytes] = (await HOLD.run(this.#redis, this.#keysOf(tenant), values)) as [HoldVerdict['outcome'], string, string];
    return { outcome, rows: Number(rows), bytes: Number(bytes) };
  }

  /** The upload has become a job. */
  async keep(tenant: string, upload: string, job: JobSize & { readonly id: string }): Promise<void> {
    await KEEP.run(this.#redis, this.#keysOf(tenant), [upload, job.id, job.rows, job.bytes]);
  }

  /** The job has ended; what it stores stays. */
  async freeRows(tenant: string, id: string): Promise<void> {
    await FREE.run(this.#redis, this.#keysOf(tenant), [id, 'rows']);
  }

  /** The job, or the upload, is no more. */
  async free(tenant: string, id: string): Promise<void> {
    await FREE.run(this.#redis, this.#keysOf(tenant), [id, 'all']);
  }

  #keysOf(tenant: string): [hash: string, uploads: string] {
    const hash = `${KEY_PREFIX}:admission:${this.#of}:${tenant}`;
    return [hash, `${hash}:uploads`];
  }

  async held(tenant: string): Promise<HeldJobs> {
    const [hash, zset] = this.#keysOf(tenant);
    const [fields, uploads] = await orQueueUnavailable(Promise.all([this.#redis.hgetall(hash), this.#redis.zrange(zset, '0', '-1')]));
    const sizes = new Map<string, { rows: number; bytes: number }>();
    for (const [field, value] of Object.entries(fields)) {
      const id = field.slice(2);
      if (!/^[rb] /.test(field)) continue;
      const size = sizes.get(id) ?? { rows: 0, bytes: 0 };
      sizes.set(id, size);
      size[field.startsWith('r') ? 'rows' : 'bytes'] = Number(value);
    }
    return { sizes, uploads: new Set(uploads), ready: fields['ready'] !== undefined };
  }

  /** Puts right what Redis knows; from then on it is all that there is. */
  async settle(tenant: string, { ended, gone, there }: JobCorrections): Promise<void> {
    const calls = [
      ...pagesOf(ended, 1).map((page) => [page.length, 0, ...page]),
      ...pagesOf(gone, 1).map((page) => [0, page.length, ...page]),
      ...pagesOf(there, 3).map((page) => [0, 0, ...page.flatMap(({ id, rows, bytes }) => [id, rows, bytes])]),
    ];
    // Without anything to put right it is still to be said that all is there.
    if (calls.length === 0) calls.push([0, 0]);
    for (const [at, values] of calls.entries())
      await SETTLE.run(this.#redis, this.#keysOf(tenant), [at === calls.length - 1 ? 1 : 0, ...values]);
  }
}

function pagesOf<T>(list: readonly T[], values: number): (readonly T[])[] {
  const size = Math.floor(VALUES_AT_ONCE / values);
  return Array.from({ length: Math.ceil(list.length / size) }, (_, page) => list.slice(page * size, (page + 1) * size));
}
