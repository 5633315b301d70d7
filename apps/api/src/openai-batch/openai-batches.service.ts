import {
  secondsOfWindow,
  type BatchJobBody,
  type OpenAiBatch,
  type OpenAiBatchList,
  type OpenAiBatchQuery,
  type OpenAiBatchRequest,
} from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { BatchJobs, FileStore, OpenAiBatches, OpenAiBatchRecord } from '@rerank-fleet/core/jobs';
import type { RequestContext } from '../http/request-context.js';
import type { JobActionsService } from '../jobs/job-actions.service.js';
import type { JobView } from '../jobs/job-view.js';
import { jobIdOf } from './batch-ids.js';
import type { BatchValidator } from './batch-validator.js';
import { describeOpenAiBatch } from './describe-openai-batch.js';
import { pageOf } from './page-of.js';

export interface OpenAiBatchesParts {
  readonly batches: OpenAiBatches;
  readonly files: Pick<FileStore, 'find'>;
  readonly jobs: Pick<BatchJobs, 'markCancelled'>;
  readonly view: Pick<JobView, 'record' | 'describe'>;
  readonly actions: Pick<JobActionsService, 'cancel'>;
  readonly validator: Pick<BatchValidator, 'begin' | 'interrupt' | 'newHold'>;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
}

type Caller = Pick<RequestContext, 'tenant'>;

/** Batches as OpenAI's clients see them: jobs, but for the time in which their input is checked. */
export class OpenAiBatchesService {
  readonly #parts: OpenAiBatchesParts;

  constructor(parts: OpenAiBatchesParts) {
    this.#parts = parts;
  }

  /**
   * Durable when it resolves; its input is checked afterwards.
   *
   * @throws RerankError `file_not_found`, `storage_full`, `blob_store_unavailable`
   */
  async create({ input_file_id, endpoint, completion_window, metadata }: OpenAiBatchRequest, { tenant }: Caller): Promise<OpenAiBatch> {
    const { batches, files, validator, now } = this.#parts;
    if ((await files.find(tenant, input_file_id)) === undefined)
      throw new RerankError('file_not_found', 'There is no file of this id; upload it first.', {
        errors: [{ pointer: '/input_file_id', detail: 'is no file of yours' }],
      });
    const created_ms = Math.round(now());
    const batch: OpenAiBatchRecord = {
      v: 1,
      id: batches.newId(created_ms),
      tenant,
      input_file_id,
      endpoint,
      completion_window,
      ...(metadata === undefined ? {} : { metadata }),
      created_ms,
      expires_ms: created_ms + secondsOfWindow(completion_window) * 1_000,
    };
    await batches.create(batch, validator.newHold());
    validator.begin(batch);
    return describeOpenAiBatch(batch, {});
  }

  /** @throws RerankError `job_not_found`, also for another tenant's */
  async get(id: string, { tenant }: Caller): Promise<OpenAiBatch> {
    const batch = await this.#parts.batches.find(tenant, jobIdOf(id) ?? '');
    const body = batch && (await this.#describe(batch));
    if (body === undefined) throw batchNotFound();
    return body;
  }

  /** @throws RerankError `invalid_request` */
  async list({ after, limit }: OpenAiBatchQuery, { tenant }: Caller): Promise<OpenAiBatchList> {
    const { batches } = this.#parts;
    const from = after === undefined ? undefined : jobIdOf(after);
    if (after !== undefined && from === undefined)
      throw new RerankError('invalid_request', '/after: is no id of a batch.', {
        errors: [{ pointer: '/after', detail: 'is no id of a batch' }],
      });
    return await pageOf(batches.list(tenant, from), limit, async (id) => {
      const batch = await batches.find(tenant, id);
      return batch && (await this.#describe(batch));
    });
  }

  /**
   * Durable when it resolves; a batch that has ended stays as it is.
   *
   * @throws RerankError `job_not_found`, `queue_unavailable`
   */
  async cancel(id: string, context: RequestContext): Promise<OpenAiBatch> {
    const { batches, jobs, validator, actions } = this.#parts;
    const { tenant } = context;
    const before = await this.get(id, context);
    const job = jobIdOf(before.id)!;
    const batch = await batches.find(tenant, job);
    const isUnchecked = before.in_progress_at === null;
    if (isUnchecked && (await batches.ended({ tenant, id: job })) === undefined) {
      await jobs.markCancelled({ tenant, id: job });
      validator.interrupt({ tenant, id: job });
      // Where nobody has it in hand it ends at once.
      if (batch !== undefined) validator.begin(batch);
    }
    // It may have become a job meanwhile.
    if (!isUnchecked || (await this.#jobOf({ tenant, id: job })) !== undefined) await actions.cancel(job, context);
    return await this.get(id, context);
  }

  /** Undefined for one whose job was removed. */
  async #describe(batch: OpenAiBatchRecord): Promise<OpenAiBatch | undefined> {
    const { batches } = this.#parts;
    const job = await this.#jobOf(batch);
    if (job !== undefined) {
      const wasCancelled = job.status === 'cancelling' || job.status === 'cancelled';
      return describeOpenAiBatch(batch, { job, cancelledMs: wasCancelled ? await batches.cancelledMs(batch) : undefined });
    }
    const end = await batches.ended(batch);
    const cancelledMs = await batches.cancelledMs(batch);
    if (end !== undefined || (await batches.holder(batch)) !== undefined) return describeOpenAiBatch(batch, { end, cancelledMs });
    // What it came to was written between two looks, or is gone.
    const now = await this.#jobOf(batch);
    const ended = await batches.ended(batch);
    return now === undefined && ended === undefined ? undefined : describeOpenAiBatch(batch, { job: now, end: ended, cancelledMs });
  }

  async #jobOf({ tenant, id }: Pick<OpenAiBatchRecord, 'tenant' | 'id'>): Promise<BatchJobBody | undefined> {
    const { view } = this.#parts;
    try {
      return await view.describe(await view.record(tenant, id));
    } catch (error) {
      if (error instanceof RerankError && error.code === 'job_not_found') return undefined;
      throw error;
    }
  }
}

const batchNotFound = (): RerankError => new RerankError('job_not_found', 'There is no batch of this id.');
