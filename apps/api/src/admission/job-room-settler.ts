import { indexFolder, OPEN_JOBS, type BatchJobs, type JobRoom, type JobSize } from '@rerank-fleet/core/jobs';
import type { BlobStore } from '@rerank-fleet/core/ports';

export interface JobRoomSettlerParts {
  readonly room: Pick<JobRoom, 'held' | 'settle'>;
  readonly jobs: Pick<BatchJobs, 'readableRecord' | 'list'>;
  readonly blobs: Pick<BlobStore, 'list'>;
}

/** Job records that are read at once. */
const READS_AT_ONCE = 16;
const INDEX = indexFolder('').replace(/\/$/, '');

/** Brings what Redis knows of the jobs' room in line with the blob store, which is right: after a loss, and in case a process died between two steps. */
export class JobRoomSettler {
  readonly #parts: JobRoomSettlerParts;
  readonly #running = new Map<string, Promise<void>>();

  constructor(parts: JobRoomSettlerParts) {
    this.#parts = parts;
  }

  /**
   * Calls for a tenant at the same time become one.
   *
   * @throws RerankError `queue_unavailable`, `blob_store_unavailable`
   */
  async settle(tenant: string): Promise<void> {
    let run = this.#running.get(tenant);
    if (run === undefined) {
      run = this.#settle(tenant).finally(() => this.#running.delete(tenant));
      this.#running.set(tenant, run);
    }
    await run;
  }

  /** Every tenant that has jobs. */
  async settleAll(): Promise<void> {
    const tenants = new Set<string>();
    for await (const key of this.#parts.blobs.list(INDEX)) tenants.add(key.split('/')[1] ?? '');
    for (const tenant of tenants) await this.settle(tenant);
  }

  /** What is known is read first: what comes after that is counted by whoever brings it. */
  async #settle(tenant: string): Promise<void> {
    const { room, jobs, blobs } = this.#parts;
    const { sizes, uploads } = await room.held(tenant);
    const open = new Set<string>();
    for await (const key of blobs.list(`${OPEN_JOBS}/${tenant}`)) open.add(key.slice(key.lastIndexOf('/') + 1));
    const kept = new Set<string>();
    for await (const id of jobs.list(tenant)) kept.add(id);
    const known = [...sizes].filter(([id]) => !uploads.has(id));
    const missing = [...kept].filter((id) => !isRight(sizes.get(id), open.has(id)));
    await room.settle(tenant, {
      ended: known.filter(([id, { rows }]) => rows > 0 && kept.has(id) && !open.has(id)).map(([id]) => id),
      gone: known.filter(([id]) => !kept.has(id)).map(([id]) => id),
      there: await this.#sizesOf(tenant, missing, open),
    });
  }

  async #sizesOf(tenant: string, ids: readonly string[], open: ReadonlySet<string>): Promise<(JobSize & { readonly id: string })[]> {
    const found: (JobSize & { readonly id: string })[] = [];
    for (let from = 0; from < ids.length; from += READS_AT_ONCE) {
      const records = await Promise.all(ids.slice(from, from + READS_AT_ONCE).map((id) => this.#parts.jobs.readableRecord(tenant, id)));
      // Without a record there is no job yet.
      for (const record of records.filter((each) => each !== undefined))
        found.push({ id: record.id, rows: open.has(record.id) ? record.total : 0, bytes: record.bytes });
    }
    return found;
  }
}

function isRight(size: JobSize | undefined, isOpen: boolean): boolean {
  return size !== undefined && (!isOpen || size.rows > 0);
}
