import type { BatchDone, BatchJobs, BatchRecord } from '@rerank-fleet/core/jobs';
import { InvariantError, RerankError } from '@rerank-fleet/core/errors';
import type { SubmittedRow } from './submitted-row.js';

type ReadJobs = Pick<BatchJobs, 'slices' | 'rows' | 'sliceHeader' | 'sliceResults'>;

/** @throws RerankError `job_not_retryable` where no request of the job can be run again */
export function assertRetryable({ rejected }: Pick<BatchRecord, 'rejected'>, done: BatchDone | undefined): BatchDone {
  if (done === undefined) throw new RerankError('job_not_retryable', 'The job has not ended; wait for its end, or cancel it first.');
  const { errored } = done.request_counts;
  if (errored === 0) throw new RerankError('job_not_retryable', 'No request of the job is errored.');
  if (errored > rejected) return done;
  throw new RerankError(
    'job_not_retryable',
    `The ${rejected} errored requests were refused when the job was submitted, and would be again; correct them and send them as a new job.`,
  );
}

/** Errored requests of a job that has ended, in their order, with new numbers; those that were refused at submission are not kept. A slice at a time is in memory. */
export async function* erroredRows(jobs: ReadJobs, record: BatchRecord, done: BatchDone): AsyncGenerator<SubmittedRow, void, undefined> {
  const counted = Buffer.from(done.done_slices, 'base64');
  let row = 0;
  for (const slice of (await jobs.slices(record)).keys()) {
    const errored = isSet(counted, slice) ? await erroredOf(jobs, record, slice) : done.rest === 'errored' ? 'all' : NONE;
    if (errored !== 'all' && errored.size === 0) continue;
    for (const { row: before, request } of await jobs.rows(record, slice)) {
      if (errored === 'all' || errored.has(before)) yield { row: (row += 1), json: JSON.stringify(request), value: request };
    }
  }
}

const NONE: ReadonlySet<number> = new Set();

async function erroredOf(jobs: ReadJobs, record: BatchRecord, slice: number): Promise<ReadonlySet<number>> {
  const header = await jobs.sliceHeader(record, slice);
  if (header?.errored === 0) return NONE;
  const results = await jobs.sliceResults(record, slice);
  if (results === undefined) throw new InvariantError('A slice that counts has no results.');
  return new Set(results.filter(({ status }) => status === 'errored').map(({ row }) => row));
}

/** Bit 0 of byte 0 is the most significant, as Redis has it. */
function isSet(bitmap: Buffer, position: number): boolean {
  return ((bitmap[position >> 3] ?? 0) & (0x80 >> (position & 7))) !== 0;
}
