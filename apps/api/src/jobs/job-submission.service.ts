import type { JobEstimateBody } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import {
  hashOfKey,
  type BatchJobs,
  type BatchKeeper,
  type BatchRecord,
  type BatchUpload,
  type IdempotencyKeys,
  type UploadTotals,
} from '@rerank-fleet/core/jobs';
import { traceparentNow } from '@rerank-fleet/core/observability';
import type { Logger } from 'pino';
import type { JobAdmission } from '../admission/job-admission.js';
import { untilTaken } from '../dispatch/until-taken.js';
import type { RequestContext } from '../http/request-context.js';
import type { IdempotentUse, JobDraft } from './job-draft.js';
import { assertWorthwhile, type JobIntake } from './job-intake.js';

export interface JobSubmissionParts {
  readonly admission: JobAdmission;
  readonly jobs: BatchJobs;
  readonly keeper: Pick<BatchKeeper, 'admit' | 'takeUp'>;
  readonly keys: IdempotencyKeys;
  readonly intake: JobIntake;
  /** Seconds that so much work takes on the workers that are live now. */
  readonly secondsOf: (pool: string, work: { readonly pairs: number; readonly tokens: number }) => Promise<number | undefined>;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
  readonly logger: Logger;
}

export interface AcceptedJob {
  readonly record: BatchRecord;
  /** An earlier call with the same idempotency key made it. */
  readonly replayed: boolean;
}

/** Takes jobs in: nothing of one can be seen before its `job.json` is durable, and nothing can be lost after. */
export class JobSubmissionService {
  readonly #parts: JobSubmissionParts;

  constructor(parts: JobSubmissionParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when the job is durable. Redis may go away meanwhile: the keeper finds the job.
   *
   * @throws RerankError `invalid_request`, `idempotency_conflict`, `overloaded`, `payload_too_large`, `storage_full`, `blob_store_unavailable`, `queue_unavailable`,
   * `model_unavailable`, `candidate_store_unavailable`; nothing is left then
   */
  async submit(draft: JobDraft, context: RequestContext): Promise<AcceptedJob> {
    const { admission, jobs, keeper, logger } = this.#parts;
    const earlier = await this.#earlier(draft, context);
    if (earlier !== undefined) return { record: earlier, replayed: true };
    const upload = jobs.begin(context.tenant);
    const accepted = await this.#accept(upload, draft, context).catch(async (error: unknown) => {
      if (!(error instanceof UnsureError)) await this.#abandon(upload, context.tenant);
      throw error instanceof UnsureError ? error.cause : error;
    });
    const { record, replayed } = accepted;
    if (replayed) await this.#abandon(upload, context.tenant);
    else {
      const { id, total, rejected, pairs, bytes } = record;
      logger.info({ job: id, tenant: context.tenant, total, rejected, pairs, bytes, request_id: context.requestId }, 'a job was accepted');
      // What is not heard is settled by the blobs.
      await admission.keep(upload.id, record).catch(() => undefined);
      await keeper.admit(record).catch((error: unknown) => {
        logger.warn({ err: error, job: id }, 'a job was accepted and could not be queued; it is tried again');
        void untilTaken(() => keeper.takeUp(record));
      });
    }
    return accepted;
  }

  /**
   * What `submit` would do, with nothing written.
   *
   * @throws RerankError as `submit`; `payload_too_large` for more rows than a job may have, as their ids are kept in mind
   */
  async estimate(draft: JobDraft, context: RequestContext): Promise<JobEstimateBody> {
    let pairs = 0;
    let tokens = 0;
    let rows = 0;
    const count = (): undefined => {
      rows += 1;
      this.#parts.admission.assertPossible({ rows, bytes: 0 });
    };
    const counted = {
      add: (row: { readonly pairs: number; readonly tokens: number }): undefined => {
        count();
        pairs += row.pairs;
        tokens += row.tokens;
      },
      reject: count,
    };
    const { good, refused, faults, pool } = await this.#parts.intake.take(draft, counted, context);
    if (good + refused === 0) assertWorthwhile({ good, refused, faults, pool }, draft);
    const seconds = pool === undefined ? undefined : await this.#parts.secondsOf(pool, { pairs, tokens });
    return {
      requests: good + refused,
      rejected: refused,
      pairs,
      tokens,
      ...(seconds === undefined ? {} : { seconds }),
      errors: faults.map(({ row, error }) => ({ row, code: error.code, detail: error.detail })),
    };
  }

  async #accept(upload: BatchUpload, draft: JobDraft, context: RequestContext): Promise<AcceptedJob> {
    const place = await this.#parts.admission.begin(context.tenant, upload, context.sentBytes);
    const rows = await this.#parts.intake.take(draft, place.around(upload), context, draft.options.strict);
    assertWorthwhile(rows, draft);
    const totals = await upload.finish();
    await place.settle({ rows: totals.total, bytes: totals.bytes });
    context.signal.throwIfAborted();
    const record = this.#recordOf(upload, draft, { totals, pool: rows.pool!, tenant: context.tenant });
    return draft.idempotency === undefined ? await this.#create(record) : await this.#createOnce(record, draft.idempotency);
  }

  /**
   * The job that the key stands for, whatever would be said of its rows today. Its body is read to its end: another one is a conflict.
   *
   * @throws RerankError `idempotency_conflict`
   */
  async #earlier({ idempotency, rows }: JobDraft, { tenant }: RequestContext): Promise<BatchRecord | undefined> {
    if (idempotency === undefined) return undefined;
    const claim = await this.#parts.keys.find(tenant, idempotency.key);
    const record = claim && (await this.#parts.jobs.record(tenant, claim.job));
    if (claim === undefined || record === undefined) return undefined;
    for await (const _ of rows);
    assertSameBody(claim.body_sha256, idempotency);
    return record;
  }

  /**
   * Of calls with one key at the same time, and of one that goes on where another process died, the first to claim gives the id and the first to write
   * `job.json` gives the rows.
   */
  async #createOnce(draft: BatchRecord, idempotency: IdempotentUse): Promise<AcceptedJob> {
    const { keys, jobs } = this.#parts;
    const claim = await keys.claim(draft.tenant, idempotency.key, { job: draft.id, body_sha256: idempotency.bodySha256() });
    assertSameBody(claim.body_sha256, idempotency);
    const known = claim.job === draft.id ? undefined : await jobs.record(draft.tenant, claim.job);
    if (known !== undefined) return { record: known, replayed: true };
    return await this.#create({ ...draft, id: claim.job, idempotency: hashOfKey(idempotency.key) });
  }

  async #create(record: BatchRecord): Promise<AcceptedJob> {
    const { jobs } = this.#parts;
    const outcome = await jobs.create(record).catch((error: unknown) => ({ error }));
    if (outcome === true) return { record, replayed: false };
    // A store may have written the job and failed in saying so.
    const kept = await jobs.record(record.tenant, record.id).catch(() => undefined);
    if (kept !== undefined) return { record: kept, replayed: kept.upload !== record.upload };
    if (outcome === false)
      throw new RerankError('blob_store_unavailable', 'The job that the Idempotency-Key stands for cannot be read now. Try again.');
    if (record.idempotency === undefined) await jobs.forgetStillborn(record).catch(() => undefined);
    const isFull = outcome.error instanceof RerankError && outcome.error.code === 'storage_full';
    throw isFull ? outcome.error : new UnsureError('It is not known whether the job was written.', { cause: outcome.error });
  }

  #recordOf(
    upload: BatchUpload,
    { options, dialect, retryOf, openai, promised }: JobDraft,
    { totals, pool, tenant }: { readonly totals: UploadTotals; readonly pool: string; readonly tenant: string },
  ): BatchRecord {
    const created = Math.round(this.#parts.now());
    const { priority, defaults, metadata, webhook } = options;
    const traceparent = traceparentNow();
    return {
      v: 1,
      id: upload.id,
      tenant,
      dialect,
      pool,
      priority,
      ...(traceparent === undefined ? {} : { traceparent }),
      created_ms: created,
      expires_ms: created + options.expires_in_s * 1_000,
      ...totals,
      ...promised,
      ...(defaults === undefined ? {} : { defaults }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(webhook === undefined ? {} : { webhook }),
      ...(retryOf === undefined ? {} : { retry_of: retryOf }),
      ...(openai === undefined ? {} : { openai }),
    };
  }

  async #abandon(upload: BatchUpload, tenant: string): Promise<void> {
    await this.#parts.admission.leave(tenant, upload.id).catch(() => undefined);
    await upload
      .abandon()
      .catch((error: unknown) => this.#parts.logger.warn({ err: error, upload: upload.id }, 'an upload could not be cleared away'));
  }
}

/** A write that failed, and may have been done: the rows stay, in case the job is there. */
class UnsureError extends Error {
  override readonly name = 'UnsureError';
}

function assertSameBody(bodySha256: string, idempotency: IdempotentUse): void {
  if (bodySha256 === idempotency.bodySha256()) return;
  throw new RerankError('idempotency_conflict', 'The Idempotency-Key was used for another body; send that body, or use a new key.');
}
