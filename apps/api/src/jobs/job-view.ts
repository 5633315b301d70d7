import type { BatchJobBody } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { describeBatchJob, type BatchJobs, type BatchLedger, type BatchRecord } from '@rerank-fleet/core/jobs';

export interface JobViewParts {
  readonly jobs: Pick<BatchJobs, 'record' | 'done'>;
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

  /** @throws RerankError `job_not_found`, also for another tenant's, and for one of another dialect */
  async record(tenant: string, id: string): Promise<BatchRecord> {
    const record = await this.#parts.jobs.record(tenant, id);
    if (record?.dialect !== 'native') throw new RerankError('job_not_found', 'There is no job of this id.');
    return record;
  }

  /** While Redis is away a job waits: nothing of it can be handed out. */
  async describe(record: BatchRecord): Promise<BatchJobBody> {
    const { jobs, ledger, now } = this.#parts;
    const state = await ledger.state(record.id).catch((error: unknown) => {
      if (!(error instanceof RerankError)) throw error;
      return undefined;
    });
    const done = state === undefined ? await jobs.done(record) : undefined;
    return describeBatchJob(record, { state, done, nowMs: now() });
  }
}
