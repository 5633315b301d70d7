import { RerankError } from '@rerank-fleet/core/errors';
import type { RowSink } from '../jobs/job-intake.js';
import type { JobSize } from '@rerank-fleet/core/jobs';

/** An upload, and what it has come to. */
export interface GrowingUpload {
  readonly id: string;
  /** Rows so far. */
  readonly total: number;
  readonly bytes: number;
}

/** Beyond the last hold; what several uploads at once take too much is found here at the latest. */
const ROWS_UNTOLD = 10_000;
const BYTES_UNTOLD = 4_194_304;
/** Well before an upload of which nothing is heard is given up. */
const TOLD_EVERY_MS = 30_000;

/** The room of one upload while it grows. */
export class JobPlace {
  readonly #upload: GrowingUpload;
  readonly #hold: (size: JobSize) => Promise<JobSize>;
  /** What its sender says that it will take. */
  readonly #sentBytes: number;
  #held: JobSize = { rows: 0, bytes: 0 };
  /** Up to here it fits, by what is known. */
  #fits: JobSize = { rows: 0, bytes: 0 };
  #toldAt = 0;

  /** @param hold takes room in place of what was taken before, and resolves to what is left beyond; throws where there is none */
  constructor(upload: GrowingUpload, sentBytes: number, hold: (size: JobSize) => Promise<JobSize>) {
    this.#upload = upload;
    this.#sentBytes = sentBytes;
    this.#hold = hold;
  }

  /** Takes room for what is there, and for what was announced. */
  async hold(): Promise<void> {
    const { total, bytes } = this.#upload;
    await this.#take({ rows: Math.max(1, total), bytes: Math.max(bytes, this.#sentBytes) });
  }

  /**
   * Takes room for exactly what is there: all of it has come.
   *
   * @throws RerankError `overloaded`, `payload_too_large`, `queue_unavailable`
   */
  async settle(size: JobSize): Promise<void> {
    await this.#take(size);
  }

  /** The same sink; the row that crosses a bound is refused. */
  around(sink: RowSink): RowSink {
    return {
      add: (row) => both(sink.add(row), this.grow()),
      reject: (line) => both(sink.reject(line), this.grow()),
    };
  }

  /** To be called as more has come: what crosses a bound is refused. */
  grow(): Promise<void> | undefined {
    const { total, bytes } = this.#upload;
    const isInside = total <= this.#fits.rows && bytes <= this.#fits.bytes;
    const isTold = total - this.#held.rows < ROWS_UNTOLD && bytes - this.#held.bytes < BYTES_UNTOLD;
    if (isInside && isTold && performance.now() - this.#toldAt < TOLD_EVERY_MS) return undefined;
    return this.hold();
  }

  async #take(size: JobSize): Promise<void> {
    this.#toldAt = performance.now();
    const room = await this.#hold(size).catch((error: unknown) => {
      if (!isRedisAway(error) || size.rows > this.#fits.rows || size.bytes > this.#fits.bytes) throw error;
      return undefined;
    });
    // What was known to fit is taken without Redis, which is not asked again for every row: the blobs tell it again.
    this.#held = size;
    if (room === undefined) return;
    const { rows, bytes } = room;
    this.#fits = { rows: size.rows + rows, bytes: size.bytes + bytes };
  }
}

function isRedisAway(error: unknown): boolean {
  return error instanceof RerankError && error.code === 'queue_unavailable';
}

function both(one: Promise<void> | undefined, other: Promise<void> | undefined): Promise<void> | undefined {
  if (one === undefined) return other;
  if (other === undefined) return one;
  return Promise.all([one, other]).then(() => undefined);
}
