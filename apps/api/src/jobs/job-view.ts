import type { BatchJobBody } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { describeBatchJob, type BatchJobs, type BatchLedger, type BatchRecord, type JobStanding } from '@rerank-fleet/core/jobs';

export interface JobViewParts {
  readonly jobs: Pick<BatchJobs, 'record' | 'done' | 'isThere' | 'webhook'>;
  readonly ledger: Pick<BatchLedger, 'state'>;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
}

/** Jobs as clients see them now. */
export class JobView {
  readonly #parts: JobViewParts;

  constructor(parts: JobViewParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `job_not_found`, also for another tenant's */
  async record(tenant: string, id: string): Promise<BatchRecord> {
    const record = await this.#parts.jobs.record(tenant, id);
    if (record === undefined) throw jobNotFound();
    return record;
  }

  /**
   * How the job stands. Jobs that have ended need no Redis.
   *
   * @throws RerankError `queue_unavailable` for one that has not, `job_not_found` for one that was removed
   */
  async standing(record: BatchRecord): Promise<JobStanding> {
    const { jobs, ledger } = this.#parts;
    const asked = await ledger.state(record.id).catch((error: unknown) => {
      if (!(error instanceof RerankError)) throw error;
      return error;
    });
    if (asked !== undefined && !(asked instanceof RerankError)) return { state: asked };
    const done = await jobs.done(record);
    if (done !== undefined) return { done };
    if (!(await jobs.isThere(record))) throw jobNotFound();
    if (asked instanceof RerankError) throw asked;
    return {};
  }

  /** While Redis is away a job waits: nothing of it can be handed out. */
  async describe(record: BatchRecord): Promise<BatchJobBody> {
    const standing = await this.standing(record).catch((error: unknown) => {
      if (!(error instanceof RerankError) || error.code !== 'queue_unavailable') throw error;
      return {};
    });
    return await this.describeAs(record, standing);
  }

  async describeAs(record: BatchRecord, { state, done }: JobStanding): Promise<BatchJobBody> {
    const { jobs, now } = this.#parts;
    const webhook = done === undefined || record.webhook === undefined ? undefined : await jobs.webhook(record);
    return describeBatchJob(record, { state, done, webhook, nowMs: now() });
  }
}

export const jobNotFound = (): RerankError => new RerankError('job_not_found', 'There is no job of this id.');
