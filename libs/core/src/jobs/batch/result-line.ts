import type { RowStatus, StoredResultLine } from '../../contracts/index.js';

/** How lines begin when they are written here: what is needed of one can be told without reading its result. */
const HEAD = /^\{"row":(\d+),(?:"custom_id":"(?:[^"\\]|\\.)*",)?"status":"([a-z]+)"/;
/** Holds every head: a custom_id has at most 256 characters, each of at most 12 bytes as JSON. */
const HEAD_BYTES = 4_096;

/** A result line as it lies in the blob store, one JSON object without its newline. Its head is read when it is asked for. */
export class StoredLine {
  readonly bytes: Buffer;
  #head: Pick<StoredResultLine, 'row' | 'status'> | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get row(): number {
    return (this.#head ??= headOf(this.bytes)).row;
  }

  get status(): RowStatus {
    return (this.#head ??= headOf(this.bytes)).status;
  }
}

function headOf(bytes: Buffer): Pick<StoredResultLine, 'row' | 'status'> {
  const head = HEAD.exec(bytes.toString('utf8', 0, HEAD_BYTES));
  return head === null ? (JSON.parse(bytes.toString('utf8')) as StoredResultLine) : { row: Number(head[1]), status: head[2] as RowStatus };
}

const FLUSH_BYTES = 65_536;
const CLOSING_BYTES = 32;

/** Gathers lines, each with its cursor put in at its end, into chunks: a write to a socket costs more than a line. */
export class CursorLines {
  #chunk = Buffer.allocUnsafe(FLUSH_BYTES * 2);
  #used = 0;

  /** `head` and `place` make the cursor. */
  add(line: Buffer, head: string, place: number): void {
    const needed = this.#used + line.length + head.length + CLOSING_BYTES;
    if (needed > this.#chunk.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#chunk.length * 2));
      this.#chunk.copy(larger, 0, 0, this.#used);
      this.#chunk = larger;
    }
    // Without its brace.
    this.#used += line.copy(this.#chunk, this.#used, 0, line.length - 1);
    this.#used += this.#chunk.write(`,"cursor":"${head}${place}"}\n`, this.#used, 'latin1');
  }

  get isFull(): boolean {
    return this.#used >= FLUSH_BYTES;
  }

  /** What was gathered; undefined if it is nothing. */
  take(): Buffer | undefined {
    if (this.#used === 0) return undefined;
    const taken = this.#chunk.subarray(0, this.#used);
    this.#chunk = Buffer.allocUnsafe(FLUSH_BYTES * 2);
    this.#used = 0;
    return taken;
  }
}
