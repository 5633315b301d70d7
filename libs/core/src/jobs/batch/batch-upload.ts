import { PassThrough } from 'node:stream';
import { once } from 'node:events';
import type { StoredResultLine } from '../../contracts/index.js';
import type { BlobStore } from '../../ports/index.js';
import { newJobId } from '../job-id.js';
import { rejectedKey, requestsKey, slicesKey, uploadFolder } from './batch-layout.js';
import { SLICE_BOUNDS, type SliceEntry } from './batch-record.js';

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

/** A blob that is written piece by piece; nothing of it can be seen before `end`. */
class BlobWriter {
  readonly #stream = new PassThrough({ highWaterMark: 1_048_576 });
  readonly #written: Promise<void>;
  bytes = 0;

  constructor(blobs: BlobStore, key: string) {
    this.#written = blobs.put(key, this.#stream);
    // Told by whoever writes next.
    this.#written.catch(() => undefined);
  }

  /** Waits while the store is behind. @throws what the store throws */
  async write(piece: string | Buffer): Promise<void> {
    this.bytes += Buffer.byteLength(piece);
    if (this.#stream.write(piece)) return;
    await Promise.race([once(this.#stream, 'drain'), this.#written]);
    if (this.#stream.destroyed) await this.#written;
  }

  async end(): Promise<void> {
    this.#stream.end();
    await this.#written;
  }

  async abandon(): Promise<void> {
    this.#stream.destroy(new Error('The upload was abandoned.'));
    await this.#written.catch(() => undefined);
  }
}

/** The rows of a job on their way into the blob store: held a buffer at a time, whatever their number. */
export class BatchUpload {
  readonly id = newJobId(Date.now());
  readonly #blobs: BlobStore;
  readonly #folder: string;
  readonly #requests: BlobWriter;
  readonly #rejected: BlobWriter;
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
    this.#rejected = new BlobWriter(blobs, rejectedKey(this.#folder));
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
    return this.#requests.bytes + this.#rejected.bytes;
  }

  /** @throws RerankError `storage_full`, `blob_store_unavailable` */
  async add({ row, json, pairs, tokens }: UploadedRow): Promise<void> {
    this.#total += 1;
    this.#pairs += pairs;
    this.#tokens += tokens;
    const bytes = Buffer.byteLength(json);
    if (this.#open !== undefined && this.#isFullWith(pairs, bytes)) this.#closeSlice();
    this.#open ??= { start: this.#requests.bytes, first_row: row, rows: 0, pairs: 0 };
    this.#open.rows += 1;
    this.#open.pairs += pairs;
    await this.#requests.write(`{"row":${row},"request":`);
    await this.#requests.write(json);
    await this.#requests.write('}\n');
  }

  /** @throws RerankError `storage_full`, `blob_store_unavailable` */
  async reject(line: StoredResultLine): Promise<void> {
    this.#total += 1;
    this.#rejectedCount += 1;
    await this.#rejected.write(`${JSON.stringify(line)}\n`);
  }

  /** Makes the rows durable; the job is still to be written. */
  async finish(): Promise<UploadTotals> {
    this.#closeSlice();
    const index = JSON.stringify(this.#slices);
    await Promise.all([this.#requests.end(), this.#rejected.end(), this.#blobs.put(slicesKey(this.#folder), index)]);
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
    await Promise.all([this.#requests.abandon(), this.#rejected.abandon()]);
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
