import { createHash } from 'node:crypto';
import type { JobOptions } from '@rerank-fleet/core/contracts';
import type { BatchJobs, BatchKeeper, BatchRecord } from '@rerank-fleet/core/jobs';
import type { RequestContext } from '../http/request-context.js';
import { assertRetryable, erroredRows } from './errored-rows.js';
import type { AcceptedJob, JobSubmissionService } from './job-submission.service.js';
import { jobNotFound, type JobView } from './job-view.js';

export interface JobActionsParts {
  readonly jobs: BatchJobs;
  readonly keeper: Pick<BatchKeeper, 'close'>;
  readonly view: Pick<JobView, 'record'>;
  readonly submissions: Pick<JobSubmissionService, 'submit'>;
}

/** What can be done to a job after it was accepted. */
export class JobActionsService {
  readonly #parts: JobActionsParts;

  constructor(parts: JobActionsParts) {
    this.#parts = parts;
  }

  /**
   * Ends a job before its time. Durable when it resolves; one that has ended stays as it is.
   *
   * @throws RerankError `job_not_found`, `queue_unavailable` (workers may not have heard of it: try again)
   */
  async cancel(id: string, { tenant }: RequestContext): Promise<BatchRecord> {
    const record = await this.#parts.view.record(tenant, id);
    const { jobs, keeper } = this.#parts;
    if ((await jobs.done(record)) !== undefined) return record;
    // Records are remembered; of a job that another process removed nothing must be written.
    if (!(await jobs.isThere(record))) throw jobNotFound();
    await keeper.close(record, 'cancelled');
    return record;
  }

  /**
   * Makes a new job of the errored requests, with the options of the old one; its time begins anew.
   *
   * @throws RerankError `job_not_found`, `job_not_retryable`, and what a submission throws
   */
  async retry(id: string, key: string | undefined, context: RequestContext): Promise<AcceptedJob> {
    const { jobs, view, submissions } = this.#parts;
    const record = await view.record(context.tenant, id);
    const done = assertRetryable(record, await jobs.done(record));
    const bodySha256 = (): string => createHash('sha256').update(`retry\n${id}`).digest('hex');
    return await submissions.submit(
      {
        options: optionsOf(record),
        rows: erroredRows(jobs, record, done),
        form: 'requests',
        dialect: 'native',
        retryOf: id,
        ...(key === undefined ? {} : { idempotency: { key, bodySha256 } }),
      },
      context,
    );
  }
}

function optionsOf({ priority, created_ms, expires_ms, defaults, webhook, metadata }: BatchRecord): JobOptions {
  return { priority, expires_in_s: Math.round((expires_ms - created_ms) / 1_000), strict: false, defaults, webhook, metadata };
}
