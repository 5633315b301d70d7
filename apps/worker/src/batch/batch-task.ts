import type { StoredResultLine } from '@rerank-fleet/core/contracts';
import type { RerankError } from '@rerank-fleet/core/errors';
import { undefinedIfUnreadable, UnreadableBlobError, type BatchRecord, type BatchRow, type SliceHeader } from '@rerank-fleet/core/jobs';
import type { TaskContext, TaskHandlers } from '../tasks/task-processor.js';
import { inNewWork, inSpan, noteOnSpan, spanNow } from '@rerank-fleet/core/observability';
import type { BatchParts } from './batch-parts.js';
import { runSlice, type SliceRun } from './run-slice.js';
import { errorOf, headOf } from './run-row.js';

/**
 * Runs one slice of a batch job. Results are written once, durably, before they count; every step may be repeated after a crash. A job of which something
 * cannot be read ends as failed.
 *
 * @throws RerankError whose catalogue entry says `backoff`: the slice is tried again
 */
export function batchTask(parts: BatchParts): TaskHandlers['batch'] {
  return async (body, context) => {
    const name = { tenant: context.tenant, job: body.job_id, slice: body.slice };
    await orFailed(parts, name, async () => {
      const record = await parts.jobs.record(context.tenant, body.job_id);
      if (record === undefined) {
        parts.log.error({ job: body.job_id, task: context.taskId }, 'A slice of a job that is not there was dropped.');
        return;
      }
      await inSliceWork(record, body.slice, context, async () => {
        const written = await parts.jobs.sliceHeader(record, body.slice);
        const header = written ?? (await takeSlice(parts, { record, slice: body.slice, context }));
        if (header !== undefined) await inSpan('commit', () => commit(parts, record, header));
      });
    });
    if ((context.deaths ?? 0) > 0) await parts.suspects.forget(context.taskId);
    return { kind: 'batch' };
  };
}

/** A trace of its own, as a job has many and takes hours; linked to the submission, and recorded if that was. */
function inSliceWork(record: BatchRecord, slice: number, context: TaskContext, work: () => Promise<void>): Promise<void> {
  const { taskId, requestId, queueMs } = context;
  const fields = { request_id: requestId, task_id: taskId, job: record.id };
  const attributes = { 'rerank.job': record.id, 'rerank.job.slice': slice, 'rerank.tenant': record.tenant, 'rerank.pool': record.pool };
  const takenAt = performance.now();
  const origin = { kind: 'consumer', cause: record.traceparent, startedAt: takenAt, attributes } as const;
  return inNewWork('process slice', fields, origin, async () => {
    spanNow()?.record('queue wait', { startedAt: takenAt - queueMs, endedAt: takenAt });
    await work();
  });
}

interface SliceName {
  readonly tenant: string;
  readonly job: string;
  readonly slice: number;
}

/** Ends a slice that is not tried again: each of its rows errs with what went wrong, and the job goes on. */
export async function giveUpBatchSlice(parts: BatchParts, name: SliceName, error: RerankError): Promise<void> {
  await orFailed(parts, name, async () => {
    const { tenant, job, slice } = name;
    const record = await parts.jobs.record(tenant, job);
    if (record === undefined) return;
    const rows = await parts.jobs.rows(record, slice);
    const lines = rows.map((row): StoredResultLine => ({ ...headOf(row), status: 'errored', error: errorOf(error) }));
    await commit(parts, record, await writeOnce(parts, { record, slice, rows, lines, pairs: 0 }));
  });
}

/** No retry mends what cannot be read: the whole job ends, and what it holds of the window is free. */
async function orFailed(parts: BatchParts, { tenant, job, slice }: SliceName, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof UnreadableBlobError)) throw error;
    const record = await parts.jobs.record(tenant, job).catch(undefinedIfUnreadable);
    if (record === undefined || !(await parts.jobs.isThere(record))) {
      parts.log.error({ err: error, job }, 'A job cannot be read, or was removed; nothing more of it is run.');
      await parts.ledger.forget(job);
      return;
    }
    parts.log.error({ err: error, job, slice }, 'What a job is made of cannot be read; it ends as failed.');
    await parts.keeper.close(record, 'failed');
    await drop(parts, record, slice);
  }
}

interface SliceToRun {
  readonly record: BatchRecord;
  readonly slice: number;
  readonly context: TaskContext;
}

/** Undefined for one that nobody waits for any more. */
async function takeSlice(parts: BatchParts, { record, slice, context }: SliceToRun): Promise<SliceHeader | undefined> {
  const cancelled = new AbortController();
  const run: SliceRun = { record, slice, context, cancelled: cancelled.signal };
  await parts.cancels.follow(record.id, cancelled);
  try {
    // Closed before it began: its rows need not be read to say so.
    if (cancelled.signal.aborted && (await drop(parts, record, slice))) return undefined;
    const { rows, lines, pairs } = await runSlice(parts, run);
    noteOnSpan({ 'rerank.job.rows': rows.length, 'rerank.pairs': pairs });
    return await inSpan('write results', () => writeOnce(parts, { record, slice, rows, lines, pairs }));
  } finally {
    parts.cancels.release(record.id, cancelled);
  }
}

interface SliceResults {
  readonly record: BatchRecord;
  readonly slice: number;
  readonly rows: readonly BatchRow[];
  readonly lines: readonly StoredResultLine[];
  readonly pairs: number;
}

/** The header that counts: ours, or that of who was first. */
async function writeOnce(parts: Pick<BatchParts, 'jobs'>, { record, slice, lines, pairs }: SliceResults): Promise<SliceHeader> {
  const count = (status: StoredResultLine['status']): number => lines.filter((line) => line.status === status).length;
  const header: SliceHeader = {
    v: 1,
    slice,
    succeeded: count('succeeded'),
    errored: count('errored'),
    cancelled: count('cancelled'),
    expired: count('expired'),
    pairs,
  };
  if (await parts.jobs.writeResults(record, header, lines)) return header;
  return (await parts.jobs.sliceHeader(record, slice)) ?? header;
}

/** Leaves a slice of a closed job that was not run; false if the job goes on. */
async function drop({ ledger, keeper }: BatchParts, { tenant, id }: BatchRecord, slice: number): Promise<boolean> {
  const outcome = await ledger.drop(id, slice);
  if (outcome === 'last') await keeper.finish(tenant, id);
  return outcome !== 'open';
}

async function commit({ ledger, keeper, dispatcher, log }: BatchParts, record: BatchRecord, header: SliceHeader): Promise<void> {
  const outcome = await ledger.commit(record.id, header.slice, header);
  try {
    if (outcome === 'last') await keeper.finish(record.tenant, record.id);
    await dispatcher.fill(record.pool);
  } catch (error) {
    log.warn({ err: error, job: record.id }, 'A slice is done; what follows it is left to the keeper.');
  }
}
