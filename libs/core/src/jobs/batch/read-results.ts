import type { RowStatus } from '../../contracts/index.js';
import type { BatchRecord, SliceEntry } from './batch-record.js';
import { lineBatches } from './line-batches.js';
import {
  cursorHead,
  positionAt,
  startOf,
  type CompletionPosition,
  type ResultOrder,
  type ResultPosition,
  type SubmissionPosition,
} from './result-cursor.js';
import { CursorLines, StoredLine } from './result-line.js';
import { CountedSlices, sliceLines, type JobStanding, type ReadJobs } from './slice-lines.js';
import { StreamsAhead } from './streams-ahead.js';

export interface ResultQuery {
  /** Cursor of the line behind which to go on. */
  readonly after?: string | undefined;
  /** @defaultValue completion */
  readonly order?: ResultOrder | undefined;
  readonly status?: RowStatus | undefined;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
const REJECTED = 0;

/** One reading of a job's results: whatever order its slices end in, each line comes once, and a cursor goes on exactly behind it. */
export class ResultReading {
  readonly #jobs: ReadJobs;
  readonly #record: BatchRecord;
  readonly #slices: readonly SliceEntry[];
  readonly #only: RowStatus | undefined;
  readonly #position: ResultPosition;
  #isComplete = false;
  /** In order of submission: the slice to go on with, and bytes of the rejected rows that were given. */
  #slice: number | undefined;
  #rejectedBytes = 0;

  private constructor(jobs: ReadJobs, record: BatchRecord, parts: ReadingParts) {
    this.#jobs = jobs;
    this.#record = record;
    this.#slices = parts.slices;
    this.#only = parts.only;
    this.#position = parts.position;
  }

  /** @throws RerankError `invalid_request` for a cursor that is none of this job's in this order */
  static async open(jobs: ReadJobs, record: BatchRecord, { after, order = 'completion', status }: ResultQuery): Promise<ResultReading> {
    const slices = await jobs.slices(record);
    const partLines = [record.rejected, ...slices.map(({ rows }) => rows)];
    const position = after === undefined ? startOf(order) : positionAt(after, order, { id: record.id, partLines });
    if (position.order === 'completion' && record.rejected === 0) position.read.add(REJECTED);
    return new ResultReading(jobs, record, { slices, position, only: status });
  }

  /** Nothing more is to come. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /**
   * Chunks of NDJSON: every line that can be told by this standing and was not given before. Holds a chunk and a line in memory, whatever the results' size.
   * Read to its end before it is called again.
   */
  async *read(standing: JobStanding): AsyncGenerator<Buffer, void, undefined> {
    const counted = new CountedSlices(standing);
    const position = this.#position;
    const parts = position.order === 'completion' ? this.#partsToTell(counted, position) : this.#slicesToTell(counted, position);
    const slices = position.order === 'completion' ? parts.filter((part) => part !== REJECTED).map((part) => part - 1) : parts;
    const streams = new StreamsAhead(
      slices.filter((slice) => counted.has(slice)),
      (slice) => this.#jobs.resultStream(this.#record, slice),
    );
    const run: Reading = { standing, counted, streams, out: new CursorLines() };
    try {
      if (position.order === 'submission') yield* this.#asSubmitted(run, position, slices);
      else for (const part of parts) yield* this.#part(run, position, part);
    } finally {
      streams.close();
    }
    if (position.order === 'completion') this.#isComplete = position.read.holdsFirst(this.#slices.length + 1);
    yield* some(run.out.take());
  }

  #partsToTell(counted: CountedSlices, { read, current }: CompletionPosition): number[] {
    const canTell = (part: number): boolean => part === REJECTED || counted.canTell(part - 1);
    const unread = Array.from({ length: this.#slices.length + 1 }, (_, part) => part).filter((part) => !read.has(part) && canTell(part));
    if (current === undefined) return unread;
    // A part that was begun goes on first: a cursor holds one of them.
    return canTell(current.part) ? [current.part, ...unread.filter((part) => part !== current.part)] : [];
  }

  /** Up to the first that is not done. */
  #slicesToTell(counted: CountedSlices, { row }: SubmissionPosition): number[] {
    const slices: number[] = [];
    for (let slice = this.#slice ?? this.#sliceOf(row); slice < this.#slices.length && counted.canTell(slice); slice += 1)
      slices.push(slice);
    return slices;
  }

  async *#part({ out, ...by }: Reading, position: Mutable<CompletionPosition>, part: number): AsyncGenerator<Buffer, void, undefined> {
    const { order, read } = position;
    const head = cursorHead(this.#record.id, { order, read, part });
    let skip = position.current?.lines ?? 0;
    let place = 0;
    for await (const lines of this.#linesOf(part, by)) {
      for (const line of lines) {
        place += 1;
        if (skip > 0) skip -= 1;
        else if (this.#only === undefined || line.status === this.#only) out.add(line.bytes, head, place);
      }
      if (out.isFull) yield* some(out.take());
    }
    delete position.current;
    read.add(part);
  }

  #linesOf(part: number, by: Omit<Reading, 'out'>): AsyncIterable<StoredLine[]> {
    if (part === REJECTED) return rejectedLines(this.#jobs, this.#record);
    return sliceLines(this.#jobs, { ...by, record: this.#record, slice: part - 1, only: this.#only });
  }

  /** Rejected rows stand between others; up to the first slice that is not done nothing is missing. */
  async *#asSubmitted(
    run: Reading,
    position: Mutable<SubmissionPosition>,
    slices: readonly number[],
  ): AsyncGenerator<Buffer, void, undefined> {
    const head = cursorHead(this.#record.id, { order: 'submission' });
    const { out, ...by } = run;
    const add = (line: StoredLine): Buffer | undefined => {
      if (line.row <= position.row) return undefined;
      position.row = line.row;
      if (this.#only === undefined || line.status === this.#only) out.add(line.bytes, head, line.row);
      return out.isFull ? out.take() : undefined;
    };
    const rejected = new RejectedRows(this.#jobs, this.#record, this.#rejectedBytes);
    try {
      for (const slice of slices) {
        for await (const lines of sliceLines(this.#jobs, { ...by, record: this.#record, slice })) {
          for (const line of lines) {
            if (rejected.mayComeBefore(line.row)) for await (const earlier of rejected.before(line.row)) yield* some(add(earlier));
            yield* some(add(line));
          }
        }
        this.#slice = slice + 1;
      }
      const next = this.#slices[this.#slice ?? this.#sliceOf(position.row)];
      for await (const line of rejected.before(next?.first_row ?? Infinity)) yield* some(add(line));
      this.#isComplete = next === undefined;
    } finally {
      this.#rejectedBytes = rejected.bytes;
      await rejected.close();
    }
  }

  /** The last slice that begins at or before the row. */
  #sliceOf(row: number): number {
    const next = this.#slices.findIndex(({ first_row: first }) => first > row);
    return Math.max(0, (next === -1 ? this.#slices.length : next) - 1);
  }
}

function* some<T>(item: T | undefined): Generator<T, void, undefined> {
  if (item !== undefined) yield item;
}

interface ReadingParts {
  readonly slices: readonly SliceEntry[];
  readonly position: ResultPosition;
  readonly only: RowStatus | undefined;
}

interface Reading {
  readonly standing: JobStanding;
  readonly counted: CountedSlices;
  readonly streams: StreamsAhead;
  readonly out: CursorLines;
}

async function* rejectedLines(jobs: ReadJobs, record: BatchRecord, start = 0): AsyncGenerator<StoredLine[], void, undefined> {
  const stream = await jobs.rejections(record, start);
  if (stream === undefined) return;
  for await (const lines of lineBatches(stream)) yield lines.map((line) => new StoredLine(line));
}

/** Lines of rejected rows, which ascend, taken up to a row at a time. */
class RejectedRows {
  readonly #source: AsyncGenerator<StoredLine[], void, undefined>;
  /** Of the blob, that were taken. */
  bytes: number;
  #lines: readonly StoredLine[] = [];
  #next = 0;
  #isOver = false;

  constructor(jobs: ReadJobs, record: BatchRecord, start: number) {
    this.bytes = start;
    this.#source = rejectedLines(jobs, record, start);
  }

  /** False only if none comes before the row. */
  mayComeBefore(row: number): boolean {
    const line = this.#lines[this.#next];
    return line === undefined ? !this.#isOver : line.row < row;
  }

  async *before(row: number): AsyncGenerator<StoredLine, void, undefined> {
    for (;;) {
      const line = this.#lines[this.#next];
      if (line === undefined) {
        if (!(await this.#more())) return;
      } else if (line.row < row) {
        this.#next += 1;
        this.bytes += line.bytes.length + 1;
        yield line;
      } else return;
    }
  }

  async close(): Promise<void> {
    await this.#source.return();
  }

  async #more(): Promise<boolean> {
    if (this.#isOver) return false;
    const { done, value } = await this.#source.next();
    this.#isOver = done === true;
    this.#lines = value ?? [];
    this.#next = 0;
    return !this.#isOver;
  }
}
