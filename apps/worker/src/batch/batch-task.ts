import type { StoredResultLine } from '@rerank-fleet/core/contracts';
import type { BatchJobs, BatchKeeper, BatchLedger, BatchRecord, BatchRow, SliceHeader } from '@rerank-fleet/core/jobs';
import type { TaskContext, TaskHandlers } from '../tasks/task-processor.js';
import { runRow, type RowParts } from './run-row.js';

export interface BatchParts extends RowParts {
  readonly jobs: BatchJobs;
  readonly ledger: Pick<BatchLedger, 'commit'>;
  readonly keeper: Pick<BatchKeeper, 'finish' | 'close'>;
  readonly dispatcher: { fill(pool: string): Promise<void> };
  /** Rows of a slice that run at once. */
  readonly rowsAtOnce: number;
}

/**
 * Runs one slice of a batch job. Results are written once, durably, before they count; every step may be repeated after a crash.
 */
export function batchTask(parts: BatchParts): TaskHandlers['batch'] {
  return async (body, context) => {
    const record = await parts.jobs.record(context.tenant, body.job_id);
    if (record === undefined) return { kind: 'batch' };
    const header = (await parts.jobs.sliceHeader(record, body.slice)) ?? (await runSlice(parts, record, body.slice, context));
    const outcome = await parts.ledger.commit(record.id, body.slice, header);
    if (outcome === 'last') await parts.keeper.finish(record.tenant, record.id);
    await parts.dispatcher.fill(record.pool);
    return { kind: 'batch' };
  };
}

async function runSlice(parts: BatchParts, record: BatchRecord, slice: number, context: TaskContext): Promise<SliceHeader> {
  const rows = await parts.jobs.rows(record, slice);
  const lines = new Array<StoredResultLine>(rows.length);
  const left = rows.entries();
  const lane = async (): Promise<void> => {
    for (const [position, row] of left) lines[position] = await runRow(parts, record, row, context);
  };
  await Promise.all(Array.from({ length: Math.min(parts.rowsAtOnce, rows.length) }, lane));
  const header = headerOf(slice, rows, lines, record);
  if (await parts.jobs.writeResults(record, header, lines)) return header;
  return (await parts.jobs.sliceHeader(record, slice)) ?? header;
}

function headerOf(slice: number, rows: readonly BatchRow[], lines: readonly StoredResultLine[], record: BatchRecord): SliceHeader {
  const count = (status: StoredResultLine['status']): number => lines.filter((line) => line.status === status).length;
  const share = record.total === record.rejected ? 0 : record.pairs / (record.total - record.rejected);
  return {
    v: 1,
    slice,
    succeeded: count('succeeded'),
    errored: count('errored'),
    cancelled: count('cancelled'),
    expired: count('expired'),
    pairs: Math.round(rows.length * share),
  };
}
