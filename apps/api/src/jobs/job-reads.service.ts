import type { JobBody, JobListBody } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { UnreadableBlobError, type BatchJobs, type BatchKeeper, type BatchLedger, type IngestJobs } from '@rerank-fleet/core/jobs';
import type { JobRoom } from '@rerank-fleet/core/jobs';
import type { RequestContext } from '../http/request-context.js';
import { jobNotFound, type JobView } from './job-view.js';
import { listJobs, type JobSource } from './list-jobs.js';
import type { JobListQuery } from './read-queries.js';

export interface JobReadsParts {
  readonly batches: BatchJobs;
  readonly ingests: Pick<IngestJobs, 'find' | 'list' | 'remove'>;
  readonly view: JobView;
  readonly keeper: Pick<BatchKeeper, 'finish'>;
  readonly ledger: Pick<BatchLedger, 'state'>;
  readonly room: Pick<JobRoom, 'free'>;
}

type Caller = Pick<RequestContext, 'tenant' | 'scopes'>;

/** Jobs of both kinds. A caller sees batches with the scope `jobs`, uploads with `ingest`. */
export class JobReadsService {
  readonly #parts: JobReadsParts;

  constructor(parts: JobReadsParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `job_not_found`, also for another tenant's */
  async get(caller: Caller, id: string): Promise<JobBody> {
    for (const source of this.#sources(caller)) {
      const job = await source.find(id);
      if (job !== undefined) return job;
    }
    throw jobNotFound();
  }

  async list(caller: Caller, query: JobListQuery): Promise<JobListBody> {
    return await listJobs(this.#sources(caller, query.kind), query);
  }

  /**
   * Forgets a job that has ended, with its rows and results, at once.
   *
   * @throws RerankError `job_not_found`, `job_not_ended`, `queue_unavailable`
   */
  async remove(caller: Caller, id: string): Promise<void> {
    const job = await this.get(caller, id);
    if (job.kind === 'batch') await this.#removeBatch(caller.tenant, id);
    else if (!(await this.#parts.ingests.remove(caller.tenant, id))) throw notEnded('Wait for its end');
  }

  async #removeBatch(tenant: string, id: string): Promise<void> {
    const { batches, keeper, ledger, room, view } = this.#parts;
    const record = await view.record(tenant, id);
    if ((await batches.done(record)) === undefined) throw notEnded('Cancel it, or wait for its end');
    // Whatever still has to be done about its end is done now: what found it open afterwards would take it up again.
    if ((await ledger.state(id)) !== undefined || (await batches.isOpen(record))) await keeper.finish(tenant, id);
    await batches.remove(record);
    // What is not heard is settled by the blobs.
    await room.free(tenant, id).catch(() => undefined);
  }

  #sources({ tenant, scopes }: Caller, kind?: JobBody['kind']): JobSource[] {
    const { batches, ingests, view } = this.#parts;
    const isWanted = (each: JobBody['kind'], scope: Caller['scopes'][number]): boolean => scopes.includes(scope) && (kind ?? each) === each;
    const batch: JobSource = { ids: (after) => batches.list(tenant, after), find: (id) => this.#findBatch(tenant, id, view) };
    const ingest: JobSource = { ids: (after) => ingests.list(tenant, after), find: (id) => ingests.find(tenant, id) };
    return [...(isWanted('batch', 'jobs') ? [batch] : []), ...(isWanted('ingest', 'ingest') ? [ingest] : [])];
  }

  async #findBatch(tenant: string, id: string, view: JobView): Promise<JobBody | undefined> {
    try {
      return await view.describe(await view.record(tenant, id));
    } catch (error) {
      if (error instanceof RerankError && error.code === 'job_not_found') return undefined;
      // It keeps no other from being listed; the keeper's log tells of it.
      if (error instanceof UnreadableBlobError) return undefined;
      throw error;
    }
  }
}

function notEnded(advice: string): RerankError {
  return new RerankError('job_not_ended', `The job has not ended. ${advice}, then remove it.`);
}
