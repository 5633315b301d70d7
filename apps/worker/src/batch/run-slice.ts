import type { StoredResultLine } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { BatchRecord, BatchRow } from '@rerank-fleet/core/jobs';
import type { TaskContext } from '../tasks/task-processor.js';
import type { BatchParts } from './batch-parts.js';
import { inRowWork } from './row-work.js';
import { errorOf, headOf, runRow } from './run-row.js';

export interface SliceRun {
  readonly record: BatchRecord;
  readonly slice: number;
  readonly context: TaskContext;
  /** Aborts when the job was closed. */
  readonly cancelled: AbortSignal;
}

export interface SliceLines {
  readonly rows: readonly BatchRow[];
  /** One a row, in their order. */
  readonly lines: readonly StoredResultLine[];
  /** Of the rows that ran. */
  readonly pairs: number;
}

/**
 * Runs the rows of a slice, all at once as far as other tenants leave room; one by one, with nothing beside them, after a worker died under it. When the job is
 * closed meanwhile, rows that have not ended say so. In the last attempt a row that still fails errs alone, as long as any of them ends.
 *
 * @throws what a row throws that is no fault of its own: nothing of the slice is kept then
 */
export async function runSlice(parts: BatchParts, run: SliceRun): Promise<SliceLines> {
  const rows = await parts.jobs.rows(run.record, run.slice);
  const rowPairs = await pairsOfRow(parts, run, rows.length);
  const failed = new AbortController();
  const signal = AbortSignal.any([run.context.signal, run.cancelled, failed.signal]);
  const context: TaskContext = { ...run.context, priority: 'batch', signal };
  try {
    const lines =
      context.isolate === undefined
        ? await together(parts, run, { rows, rowPairs, context })
        : await oneByOne(parts, run, { rows, rowPairs, context });
    const ran = rows.filter((_, position) => lines[position]?.status === 'succeeded' || lines[position]?.status === 'errored');
    return { rows, lines, pairs: Math.round(ran.length * rowPairs) };
  } catch (error) {
    failed.abort(error);
    throw error;
  }
}

interface RowsToRun {
  readonly rows: readonly BatchRow[];
  readonly rowPairs: number;
  readonly context: TaskContext;
}

/** The mean of the slice, as the upload was estimated: what is done of a whole job adds up to what it was taken for. */
async function pairsOfRow({ jobs }: BatchParts, { record, slice }: SliceRun, rows: number): Promise<number> {
  const index = await jobs.slices(record);
  return (index[slice]?.pairs ?? 0) / rows;
}

async function together(parts: BatchParts, run: SliceRun, { rows, rowPairs, context }: RowsToRun): Promise<StoredResultLine[]> {
  const ended = endedBy(parts, run);
  const { tenant } = run.record;
  const pairs = Math.ceil(rowPairs);
  const beside: NonNullable<TaskContext['beside']> = context.beside ?? ((part) => part());
  const running = rows.map((row, position) =>
    ended(row, () =>
      parts.fairRows.run({ tenant, pairs, signal: context.signal }, () =>
        beside(() => inRowWork(row, position, () => runRow(parts, run.record, row, context))),
      ),
    ),
  );
  return context.isLastAttempt === true ? settled(parts, run, { rows, ends: await Promise.allSettled(running) }) : Promise.all(running);
}

/** What went wrong with some of the rows is theirs, and what went wrong with all of them is the slice's. */
function settled(
  { log }: BatchParts,
  { record, context }: SliceRun,
  { rows, ends }: { readonly rows: readonly BatchRow[]; readonly ends: readonly PromiseSettledResult<StoredResultLine>[] },
): StoredResultLine[] {
  context.signal.throwIfAborted();
  const failed = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
  if (failed.length === ends.length && ends.length > 0) throw failed[0];
  return ends.map((end, position) => {
    if (end.status === 'fulfilled') return end.value;
    const row = rows[position]!;
    const error = end.reason instanceof RerankError ? end.reason : UNKNOWN;
    log.error({ err: end.reason as unknown, job: record.id, row: row.row }, 'A request of a job failed.');
    return { ...headOf(row), status: 'errored', error: errorOf(error) };
  });
}

/** A row that a worker died under while it ran alone is not run again. */
async function oneByOne(parts: BatchParts, run: SliceRun, { rows, context }: RowsToRun): Promise<StoredResultLine[]> {
  const { suspects } = parts;
  const { taskId } = context;
  const isolate: NonNullable<TaskContext['isolate']> = context.isolate ?? ((part) => part());
  const ended = endedBy(parts, run);
  const convicted = await suspects.convicted(taskId);
  const runAlone = (row: BatchRow, position: number): Promise<StoredResultLine> =>
    isolate(async () => {
      await suspects.enter(taskId, row.row);
      try {
        return await inRowWork(row, position, () => runRow(parts, run.record, row, context));
      } finally {
        await suspects.leave(taskId);
      }
    });
  const ends: PromiseSettledResult<StoredResultLine>[] = [];
  for (const [position, row] of rows.entries()) {
    const line = convicted.has(row.row)
      ? Promise.resolve<StoredResultLine>({ ...headOf(row), status: 'errored', error: errorOf(DEADLY) })
      : ended(row, () => runAlone(row, position));
    if (context.isLastAttempt !== true) await line;
    ends.push(...(await Promise.allSettled([line])));
  }
  return settled(parts, run, { rows, ends });
}

const UNREADABLE = new RerankError('internal_error', 'The job failed before this request had ended.');
const UNKNOWN = new RerankError('internal_error', 'It could not be done; the log of the worker says why.');
const DEADLY = new RerankError('internal_error', 'The workers that ran this request ended under it, twice; it was given up.');

type EndedRow = (row: BatchRow, work: () => Promise<StoredResultLine>) => Promise<StoredResultLine>;

/** Rows that the closing of the job kept from running end as it does. */
function endedBy({ ledger }: BatchParts, { record, cancelled }: SliceRun): EndedRow {
  let end: Promise<Pick<StoredResultLine, 'status' | 'error'>> | undefined;
  const ask = async (): Promise<Pick<StoredResultLine, 'status' | 'error'>> => {
    const reason = (await ledger.state(record.id))?.closing ?? 'cancelled';
    return reason === 'failed' ? { status: 'errored', error: errorOf(UNREADABLE) } : { status: reason };
  };
  return async (row: BatchRow, work: () => Promise<StoredResultLine>): Promise<StoredResultLine> => {
    try {
      cancelled.throwIfAborted();
      return await work();
    } catch (error) {
      if (!cancelled.aborted) throw error;
      return { ...headOf(row), ...(await (end ??= ask())) };
    }
  };
}
