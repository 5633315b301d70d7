import type { StoredResultLine } from '@rerank-fleet/core/contracts';
import type { RerankError } from '@rerank-fleet/core/errors';
import type { BatchRecord, BatchRow, SliceHeader } from '@rerank-fleet/core/jobs';
import type { TaskContext, TaskHandlers } from '../tasks/task-processor.js';
import type { BatchParts } from './batch-parts.js';
import { runSlice, type SliceRun } from './run-slice.js';
import { errorOf, headOf } from './run-row.js';

/**
 * Runs one slice of a batch job. Results are written once, durably, before they count; every step may be repeated after a crash.
 *
 * @throws RerankError whose catalogue entry says `backoff`: the slice is tried again
 */
export function batchTask(parts: BatchParts): TaskHandlers['batch'] {
  return async (body, context) => {
    const record = await parts.jobs.record(context.tenant, body.job_id);
    if (record === undefined) {
      parts.log.error({ job: body.job_id, task: context.taskId }, 'A slice of a job that is not there was dropped.');
      return { kind: 'batch' };
    }
    const written = await parts.jobs.sliceHeader(record, body.slice);
    const header = written ?? (await takeSlice(parts, { record, slice: body.slice, context }));
    await commit(parts, record, header);
    if ((context.deaths ?? 0) > 0) await parts.suspects.forget(context.taskId);
    return { kind: 'batch' };
  };
}

/** Ends a slice that is not tried again: each of its rows errs with what went wrong, and the job goes on. */
export async function giveUpBatchSlice(
  parts: BatchParts,
  { tenant, job, slice }: { readonly tenant: string; readonly job: string; readonly slice: number },
  error: RerankError,
): Promise<void> {
  const record = await parts.jobs.record(tenant, job);
  if (record === undefined) return;
  const rows = await parts.jobs.rows(record, slice);
  const lines = rows.map((row): StoredResultLine => ({ ...headOf(row), status: 'errored', error: errorOf(error) }));
  await commit(parts, record, await writeOnce(parts, { record, slice, rows, lines, pairs: 0 }));
}

interface SliceToRun {
  readonly record: BatchRecord;
  readonly slice: number;
  readonly context: TaskContext;
}

async function takeSlice(parts: BatchParts, { record, slice, context }: SliceToRun): Promise<SliceHeader> {
  const cancelled = new AbortController();
  const run: SliceRun = { record, slice, context, cancelled: cancelled.signal };
  await parts.cancels.follow(record.id, cancelled);
  try {
    const { rows, lines, pairs } = await runSlice(parts, run);
    return await writeOnce(parts, { record, slice, rows, lines, pairs });
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

async function commit({ ledger, keeper, dispatcher, log }: BatchParts, record: BatchRecord, header: SliceHeader): Promise<void> {
  const outcome = await ledger.commit(record.id, header.slice, header);
  try {
    if (outcome === 'last') await keeper.finish(record.tenant, record.id);
    await dispatcher.fill(record.pool);
  } catch (error) {
    log.warn({ err: error, job: record.id }, 'A slice is done; what follows it is left to the keeper.');
  }
}
