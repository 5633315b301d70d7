import type { StoredResultLine } from '../../contracts/index.js';
import type { BlobStore } from '../../ports/index.js';
import { newJobId } from '../job-id.js';
import { rejectedKey, requestsKey, slicesKey, uploadFolder } from './batch-layout.js';
import { SLICE_BOUNDS, type SliceEntry } from './batch-record.js';
import { BlobWriter } from './blob-writer.js';

export interface UploadedRow {
  /** Counts from 1. */
  readonly row: number;
  /** The request as JSON, as it was sent, in one line. */
  readonly json: string | Buffer;
  /** Estimates. */
  readonly pairs: number;
  readonly tokens: number;
}

/** What an upload came to. */
export interface UploadTotals {
  readonly upload: string;
  readonly total: number;
  readonly rejected: number;
  readonly slices: number;
  readonly pairs: number;
  readonly tokens: number;
  readonly bytes: number;
}

/** The rows of a job on their way into the blob store: held a buffer at a time, whatever their number. */
export class BatchUpload {
  readonly id = newJobId(Date.now());
  readonly #blobs: BlobStore;
  readonly #folder: string;
  readonly #requests: BlobWriter;
  /** Most uploads have no bad row, and then no such blob. */
  #rejected: BlobWriter | undefined;
  readonly #slices: SliceEntry[] = [];
  #open: { start: number; first_row: number; rows: number; pairs: number } | undefined;
  #total = 0;
  #rejectedCount = 0;
  #pairs = 0;
  #tokens = 0;

  constructor(blobs: BlobStore, tenant: string) {
    this.#blobs = blobs;
    this.#folder = uploadFolder(tenant, this.id);
    this.#requests = new BlobWriter(blobs, requestsKey(this.#folder));
  }

  /** Rows so far, bad ones included. */
  get total(): number {
    return this.#total;
  }

  get rejected(): number {
    return this.#rejectedCount;
  }

  /** Bytes that the upload takes in the blob store so far. */
  get bytes(): number {
    return this.#requests.bytes + (this.#rejected?.bytes ?? 0);
  }

  /**
   * Takes a row. A promise, to be waited for before the next row, only when the store is behind.
   *
   * @throws RerankError `storage_full`, `blob_store_unavailable`
   */
  add({ row, json, pairs, tokens }: UploadedRow): Promise<void> | undefined {
    this.#total += 1;
    this.#pairs += pairs;
    this.#tokens += tokens;
    const bytes = Buffer.byteLength(json);
    if (this.#open !== undefined && this.#isFullWith(pairs, bytes)) this.#closeSlice();
    this.#open ??= { start: this.#requests.bytes, first_row: row, rows: 0, pairs: 0 };
    this.#open.rows += 1;
    this.#open.pairs += pairs;
    this.#requests.write(`{"row":${row},"request":`);
    this.#requests.write(json);
    this.#requests.write('}\n');
    return this.#requests.room();
  }

  /**
   * Takes a row that is none; otherwise as `add`.
   *
   * @throws RerankError `storage_full`, `blob_store_unavailable`
   */
  reject(line: StoredResultLine): Promise<void> | undefined {
    this.#total += 1;
    this.#rejectedCount += 1;
    this.#rejected ??= new BlobWriter(this.#blobs, rejectedKey(this.#folder));
    this.#rejected.write(`${JSON.stringify(line)}\n`);
    return this.#rejected.room();
  }

  /** Makes the rows durable; the job is still to be written. */
  async finish(): Promise<UploadTotals> {
    this.#closeSlice();
    const index = JSON.stringify(this.#slices);
    const writers = [this.#requests, this.#rejected].filter((writer) => writer !== undefined);
    const written = [...writers.map((writer) => writer.end()), this.#blobs.put(slicesKey(this.#folder), index)];
    // All come to rest before anybody clears away what one that failed has left.
    for (const outcome of await Promise.allSettled(written)) if (outcome.status === 'rejected') throw outcome.reason;
    return {
      upload: this.#folder,
      total: this.#total,
      rejected: this.#rejectedCount,
      slices: this.#slices.length,
      pairs: this.#pairs,
      tokens: this.#tokens,
      bytes: this.bytes + index.length,
    };
  }

  /** Leaves nothing behind. */
  async abandon(): Promise<void> {
    await Promise.all([this.#requests.abandon(), this.#rejected?.abandon()]);
    await this.#blobs.deleteUnder(this.#folder);
  }

  #isFullWith(pairs: number, bytes: number): boolean {
    const open = this.#open!;
    return (
      open.rows >= SLICE_BOUNDS.rows ||
      open.pairs + pairs > SLICE_BOUNDS.pairs ||
      this.#requests.bytes - open.start + bytes > SLICE_BOUNDS.bytes
    );
  }

  #closeSlice(): void {
    if (this.#open === undefined) return;
    this.#slices.push({ ...this.#open, end: this.#requests.bytes });
    this.#open = undefined;
  }
}
