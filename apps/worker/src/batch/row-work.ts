import type { StoredResultLine } from '@rerank-fleet/core/contracts';
import type { BatchRow } from '@rerank-fleet/core/jobs';
import { inSpan, inWork, untraced } from '@rerank-fleet/core/observability';

/** Rows of a slice that have spans: enough to see what a row is like, and few enough for a trace that can be looked at. */
export const ROWS_RECORDED = 16;

/** Runs a row of a slice: what it logs names it, and the first rows have spans. */
export function inRowWork(
  { row }: Pick<BatchRow, 'row'>,
  position: number,
  work: () => Promise<StoredResultLine>,
): Promise<StoredResultLine> {
  return inWork({ row }, () => {
    if (position >= ROWS_RECORDED) return untraced(work);
    return inSpan(
      'row',
      async (span) => {
        const line = await work();
        span?.note({ 'rerank.job.row_status': line.status });
        if (line.error !== undefined) span?.failAs(line.error.code);
        return line;
      },
      { attributes: { 'rerank.job.row': row } },
    );
  });
}
