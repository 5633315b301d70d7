import { randomUUID } from 'node:crypto';
import { jobOptionsSchema, type OpenAiBatchError } from '@rerank-fleet/core/contracts';
import { mendsWithTime, RerankError } from '@rerank-fleet/core/errors';
import type { BatchHold, BatchJobs, BatchKeeper, BatchName, FileStore, OpenAiBatches, OpenAiBatchRecord } from '@rerank-fleet/core/jobs';
import type { Logger } from 'pino';
import { paramOf } from '../compat/error-dialects.js';
import { BadRowsError } from '../jobs/job-intake.js';
import type { JobSubmissionService } from '../jobs/job-submission.service.js';
import { batchLines, EmptyFileError } from './batch-lines.js';

export interface BatchValidatorParts {
  readonly batches: OpenAiBatches;
  readonly files: FileStore;
  readonly jobs: Pick<BatchJobs, 'record' | 'isCancelled'>;
  readonly keeper: Pick<BatchKeeper, 'close'>;
  readonly submissions: Pick<JobSubmissionService, 'submit'>;
  readonly maxLineBytes: number;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
  readonly logger: Logger;
}

/** Whoever checks a batch says so this often; silent for longer than the other, it is taken for dead. */
const TOUCH_MS = 10_000;
const SILENT_MS = 60_000;
/** Files checked at once by a process: a long one keeps a core busy. */
const AT_ONCE = 2;

/**
 * Makes jobs of batches, after the call that created them was answered: a file may take minutes to check. What one process does not bring to an end, as it dies or
 * Redis is away, another takes up. Two that check one batch at the same time make one job.
 */
export class BatchValidator {
  readonly #parts: BatchValidatorParts;
  readonly #owner = randomUUID();
  readonly #running = new Map<string, { readonly abort: AbortController; readonly done: Promise<void> }>();
  readonly #waiting: OpenAiBatchRecord[] = [];
  #stopped = false;

  constructor(parts: BatchValidatorParts) {
    this.#parts = parts;
  }

  /** What a batch that is created here begins with. */
  newHold(): BatchHold {
    return { owner: this.#owner, touched_ms: this.#parts.now() };
  }

  /** Checks the batch's input as soon as there is room. */
  begin(batch: OpenAiBatchRecord): void {
    if (this.#stopped || this.#running.has(batch.id) || this.#waiting.some(({ id }) => id === batch.id)) return;
    this.#waiting.push(batch);
    this.#startNext();
  }

  /** Stops checking a batch that was cancelled, if it is in hand here. */
  interrupt({ id }: BatchName): void {
    this.#running.get(id)?.abort.abort(new DOMException('The batch was cancelled.', 'AbortError'));
  }

  /** Takes up batches that nobody checks any more. */
  async sweep(): Promise<void> {
    const { batches, now } = this.#parts;
    for await (const name of batches.unchecked()) {
      const hold = await batches.holder(name);
      const isOurs = this.#running.has(name.id) || this.#waiting.some(({ id }) => id === name.id);
      if (hold === undefined || isOurs || hold.touched_ms > now() - SILENT_MS) continue;
      const batch = await batches.find(name.tenant, name.id);
      // Without an entry nobody was told of it.
      if (batch === undefined) await batches.letGo(name);
      else this.begin(batch);
    }
  }

  /** What is in hand is left to others, at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const waiting = this.#waiting.splice(0);
    for (const { abort } of this.#running.values()) abort.abort(new DOMException('The server is closing.', 'AbortError'));
    await Promise.all([...this.#running.values()].map(({ done }) => done));
    await Promise.all(waiting.map((batch) => this.#release(batch)));
  }

  #startNext(): void {
    while (this.#running.size < AT_ONCE) {
      const batch = this.#waiting.shift();
      if (batch === undefined) return;
      const abort = new AbortController();
      const done = this.#hold(batch, abort.signal).finally(() => {
        this.#running.delete(batch.id);
        this.#startNext();
      });
      this.#running.set(batch.id, { abort, done });
    }
  }

  /** Never rejects: what could not be done now is done by a sweep. */
  async #hold(batch: OpenAiBatchRecord, signal: AbortSignal): Promise<void> {
    const { batches, logger } = this.#parts;
    const touch = (): Promise<void> => batches.hold(batch, this.newHold());
    const timer = setInterval(() => void touch().catch(() => undefined), TOUCH_MS);
    try {
      if (await this.#isOurs(batch)) {
        await touch();
        await this.#check(batch, signal);
        clearInterval(timer);
        await batches.letGo(batch);
      }
    } catch (error) {
      clearInterval(timer);
      if (!signal.aborted) logger.warn({ err: error, job: batch.id }, 'the input of a batch could not be checked; it is tried again');
      await this.#release(batch);
    } finally {
      clearInterval(timer);
    }
  }

  /** One that waited here may have been taken up by another process, or be done. */
  async #isOurs(batch: OpenAiBatchRecord): Promise<boolean> {
    const hold = await this.#parts.batches.holder(batch);
    return hold !== undefined && (hold.owner === this.#owner || hold.touched_ms <= this.#parts.now() - SILENT_MS);
  }

  async #release(batch: OpenAiBatchRecord): Promise<void> {
    await this.#parts.batches
      .hold(batch, { owner: this.#owner, touched_ms: 0 })
      .catch((error: unknown) =>
        this.#parts.logger.warn({ err: error, job: batch.id }, 'a batch could not be handed on; it is taken up when its hold is over'),
      );
  }

  /** Resolves when the batch is a job, or has ended. */
  async #check(batch: OpenAiBatchRecord, signal: AbortSignal): Promise<void> {
    const { batches, jobs, keeper, now } = this.#parts;
    if ((await batches.ended(batch)) !== undefined) return;
    let record = await jobs.record(batch.tenant, batch.id);
    if (record === undefined && !(await jobs.isCancelled(batch))) {
      try {
        record = await this.#submit(batch, signal);
      } catch (error) {
        const isCancelled = await jobs.isCancelled(batch);
        if (!isCancelled && (signal.aborted || isTransient(error, batch.expires_ms - now()))) throw error;
        if (!isCancelled) {
          if (!(error instanceof RerankError))
            this.#parts.logger.error({ err: error, job: batch.id }, 'checking a batch failed by an unexpected fault');
          await batches.end(batch, { status: 'failed', ended_ms: Math.round(now()), errors: errorsOf(error) });
          return;
        }
      }
    }
    if (!(await jobs.isCancelled(batch))) return;
    if (record === undefined) await batches.end(batch, { status: 'cancelled', ended_ms: Math.round(now()) });
    else await keeper.close(record, 'cancelled');
  }

  async #submit(batch: OpenAiBatchRecord, signal: AbortSignal): ReturnType<BatchJobs['record']> {
    const { files, submissions, maxLineBytes } = this.#parts;
    const { id, tenant, endpoint, input_file_id, completion_window, metadata, expires_ms } = batch;
    const file = await files.find(tenant, input_file_id);
    const content = file && (await files.content(tenant, file));
    if (file === undefined || content === undefined)
      throw new RerankError('file_not_found', 'The input file is not there any more.', {
        errors: [{ pointer: '/input_file_id', detail: 'is no file of yours' }],
      });
    try {
      const { record } = await submissions.submit(
        {
          options: { ...jobOptionsSchema.parse({}), metadata },
          rows: batchLines(content, { endpoint, maxLineBytes, signal }),
          form: 'lines',
          dialect: 'openai',
          openai: { input_file_id, endpoint, completion_window },
          promised: { id, expires_ms },
        },
        { requestId: id, tenant, scopes: ['jobs'], signal, arrivedAt: performance.now(), sentBytes: file.bytes },
      );
      return record;
    } finally {
      content.destroy();
    }
  }
}

/** What may be over in a while. A batch that would be too late by then fails with it. */
function isTransient(error: unknown, leftMs: number): boolean {
  return mendsWithTime(error) && leftMs > 0;
}

function errorsOf(error: unknown): OpenAiBatchError[] {
  if (error instanceof BadRowsError)
    return error.rows.map(({ row, error: { code, detail, errors } }) => ({ code, line: row, message: detail, param: paramOf(errors[0]) }));
  if (error instanceof EmptyFileError) return [{ code: 'empty_file', line: null, message: error.detail, param: null }];
  if (error instanceof RerankError) return [{ code: error.code, line: null, message: error.detail, param: paramOf(error.errors[0]) }];
  return [{ code: 'internal_error', line: null, message: 'An unexpected fault.', param: null }];
}
