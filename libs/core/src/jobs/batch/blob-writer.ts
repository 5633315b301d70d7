import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { BlobStore } from '../../ports/index.js';

/** Pieces are gathered into chunks of this size: a stream costs far more a write than a byte. */
const CHUNK_BYTES = 65_536;
/** What may wait for a store that is behind: as much before the stream as in it. */
const WAITING_BYTES = 524_288;

/** A blob that is written piece by piece, in bounded memory; nothing of it can be seen before `end`. */
export class BlobWriter {
  readonly #stream = new PassThrough({ highWaterMark: WAITING_BYTES });
  readonly #written: Promise<void>;
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  #used = 0;
  /** That were handed to `write`. */
  bytes = 0;

  constructor(blobs: BlobStore, key: string) {
    // An abandoned stream says so; whoever reads it may not have come yet.
    this.#stream.on('error', () => undefined);
    this.#written = blobs.put(key, this.#stream);
    // Told by whoever writes next.
    this.#written.catch(() => undefined);
  }

  write(piece: string | Buffer): void {
    const length = typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
    this.bytes += length;
    if (length > CHUNK_BYTES - this.#used) this.#flush();
    if (length > CHUNK_BYTES) this.#hand(typeof piece === 'string' ? Buffer.from(piece) : piece);
    else {
      if (typeof piece === 'string') this.#chunk.write(piece, this.#used);
      else piece.copy(this.#chunk, this.#used);
      this.#used += length;
    }
  }

  /**
   * A promise, to be waited for before the next piece, when the store is behind or has failed.
   *
   * @throws what the store throws
   */
  room(): Promise<void> | undefined {
    if (this.#stream.destroyed) return this.#written;
    return this.#stream.writableNeedDrain ? this.#drained() : undefined;
  }

  /** Durable when the promise resolves. */
  async end(): Promise<void> {
    this.#flush();
    this.#stream.end();
    await this.#written;
  }

  async abandon(): Promise<void> {
    this.#stream.destroy(new Error('The upload was abandoned.'));
    await this.#written.catch(() => undefined);
  }

  #flush(): void {
    if (this.#used === 0) return;
    const full = this.#chunk.subarray(0, this.#used);
    this.#chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    this.#used = 0;
    this.#hand(full);
  }

  /** A store that has failed takes no more; `room` tells. */
  #hand(chunk: Buffer): void {
    if (!this.#stream.destroyed) this.#stream.write(chunk);
  }

  async #drained(): Promise<void> {
    await Promise.race([once(this.#stream, 'drain'), this.#written]);
    if (this.#stream.destroyed) await this.#written;
  }
}
