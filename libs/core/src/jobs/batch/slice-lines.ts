import type { RowStatus, StoredResultLine } from '../../contracts/index.js';
import { InvariantError } from '../../errors/index.js';
import type { BatchJobs, BatchRow } from './batch-jobs.js';
import type { LedgerState } from './batch-ledger.js';
import { sliceHeaderSchema, type BatchDone, type BatchRecord } from './batch-record.js';
import { lineBatches } from './line-batches.js';
import { StoredLine } from './result-line.js';
import type { StreamsAhead } from './streams-ahead.js';
import { UnreadableBlobError } from './unreadable-blob-error.js';

/** How a job stands: what the ledger says, or how it ended. Neither while Redis does not know it. */
export interface JobStanding {
  readonly state?: LedgerState | undefined;
  readonly done?: BatchDone | undefined;
}

/** Slices that count by a standing. */
export class CountedSlices {
  readonly #bitmap: Buffer;
  readonly hasEnded: boolean;

  constructor({ state, done }: JobStanding) {
    this.hasEnded = done !== undefined;
    this.#bitmap = done === undefined ? (state?.doneSlices ?? Buffer.alloc(0)) : Buffer.from(done.done_slices, 'base64');
  }

  /** Bit 0 of byte 0 is the most significant, as Redis has it. */
  has(slice: number): boolean {
    return ((this.#bitmap[slice >> 3] ?? 0) & (0x80 >> (slice & 7))) !== 0;
  }

  /** Whether lines of the slice can be told: it counts, or nothing more of the job will run. */
  canTell(slice: number): boolean {
    return this.hasEnded || this.has(slice);
  }
}

export interface SliceLinesOptions {
  readonly record: BatchRecord;
  readonly slice: number;
  readonly standing: JobStanding;
  readonly counted: CountedSlices;
  readonly streams: StreamsAhead;
  /** Others may be left out. */
  readonly only?: RowStatus | undefined;
}

export type ReadJobs = Pick<BatchJobs, 'slices' | 'rows' | 'resultStream' | 'rejections'>;

/** Lines of a slice that can be told, in their order. Where a filter leaves out all of them they are not read. */
export async function* sliceLines(jobs: ReadJobs, options: SliceLinesOptions): AsyncGenerator<StoredLine[], void, undefined> {
  const { slice, standing, counted, streams, only } = options;
  if (!counted.has(slice)) {
    const rest = standing.done?.rest ?? 'errored';
    if (only === undefined || only === rest) yield (await rowsOfRest(jobs, options)).map((row) => lineOfRest(row, rest, standing.done));
    return;
  }
  const stream = await streams.take(slice);
  if (stream === undefined) throw new InvariantError('A slice that counts has no results.');
  let isFirst = true;
  for await (const lines of lineBatches(stream)) {
    const header = isFirst ? lines.shift() : undefined;
    isFirst = false;
    if (header !== undefined && only !== undefined && sliceHeaderSchema.parse(JSON.parse(header.toString('utf8')))[only] === 0) return;
    if (lines.length > 0) yield lines.map((line) => new StoredLine(line));
  }
}

/** Of a job that failed as its rows cannot be read, nothing can be said of these. */
async function rowsOfRest(jobs: ReadJobs, { record, slice, standing }: SliceLinesOptions): Promise<readonly BatchRow[]> {
  return await jobs.rows(record, slice).catch((error: unknown) => {
    if (error instanceof UnreadableBlobError && standing.done?.status === 'failed') return [];
    throw error;
  });
}

/** A row that never ran, as its job ended before. */
function lineOfRest({ row, request }: BatchRow, status: NonNullable<BatchDone['rest']>, done: BatchDone | undefined): StoredLine {
  const custom = request['custom_id'];
  const line: StoredResultLine = {
    row,
    ...(typeof custom === 'string' ? { custom_id: custom } : {}),
    status,
    ...(status === 'errored'
      ? {
          error: { code: done?.error?.code ?? 'internal_error', message: done?.error?.detail ?? 'The job failed before this request ran.' },
        }
      : {}),
  };
  return new StoredLine(Buffer.from(JSON.stringify(line)));
}
