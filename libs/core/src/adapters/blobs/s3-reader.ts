import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { RerankError } from '../../errors/index.js';
import type { BlobRange } from '../../ports/index.js';
import { ATTEMPTS } from './s3-client.js';
import { asS3Error, isBeyondEnd, isConditionFailed, isMissing } from './s3-errors.js';

/** Held in memory a stream; on a fast network a call for it costs a fraction of its transfer. */
const PIECE_BYTES = 4 * 1024 * 1024;

interface Piece {
  readonly bytes: Buffer;
  /** Of the whole object. */
  readonly size: number;
  /** Names the version of the object; undefined where the range is behind its end. */
  readonly etag: string | undefined;
}

/**
 * Reads objects a piece at a time, each by a call of its own: a reader that stops for long, as its client does, keeps no connection open that the server would
 * cut, and a connection that breaks costs one piece.
 */
export class S3Reader {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** The bytes of a range that is not empty, all of one version of the object; undefined if there is none. */
  async read(key: string, { start, end = Infinity }: BlobRange): Promise<AsyncIterable<Buffer> | undefined> {
    const first = await this.#piece(key, { start, end });
    return first === undefined ? undefined : this.#pieces(key, first, { start, end });
  }

  async *#pieces(key: string, first: Piece, { start, end }: Required<BlobRange>): AsyncGenerator<Buffer> {
    if (first.bytes.length > 0) yield first.bytes;
    const last = Math.min(end, first.size);
    for (let next = start + first.bytes.length; next < last;) {
      const piece = await this.#piece(key, { start: next, end: last }, first.etag);
      if (piece === undefined) throw new RerankError('blob_store_unavailable', 'An object was deleted while it was read.');
      yield piece.bytes;
      next += piece.bytes.length;
    }
  }

  async #piece(key: string, range: Required<BlobRange>, etag?: string): Promise<Piece | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#fetch(key, range, etag);
      } catch (error) {
        if (isMissing(error)) return undefined;
        if (isBeyondEnd(error)) return { bytes: Buffer.alloc(0), size: 0, etag: undefined };
        if (isConditionFailed(error))
          throw new RerankError('blob_store_unavailable', 'An object was replaced while it was read. Try again.');
        // The SDK repeats a call that gets no answer; one whose answer breaks off half way is ours to repeat.
        if (!(error instanceof BrokenAnswer)) throw asS3Error(error);
        if (attempt === ATTEMPTS) throw asS3Error(error.cause);
      }
    }
  }

  async #fetch(key: string, { start, end }: Required<BlobRange>, etag: string | undefined): Promise<Piece> {
    const answer = await this.#client.send(
      new GetObjectCommand({
        Bucket: this.#bucket,
        Key: key,
        Range: `bytes=${start}-${Math.min(end, start + PIECE_BYTES) - 1}`,
        ...(etag === undefined ? {} : { IfMatch: etag }),
      }),
    );
    const [, from, to, size] = (/^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? '') ?? []).map(Number);
    if (answer.Body === undefined || from !== start || to === undefined || size === undefined)
      throw new Error('The server answered another range than the one that was asked for.');
    const content = await answer.Body.transformToByteArray().catch((cause: unknown) => {
      throw new BrokenAnswer(cause);
    });
    if (content.length !== to - from + 1) throw new BrokenAnswer(new Error('The answer is shorter than it says.'));
    return { bytes: Buffer.from(content.buffer, content.byteOffset, content.byteLength), size, etag: answer.ETag };
  }
}

class BrokenAnswer extends Error {
  constructor(cause: unknown) {
    super('The answer broke off.', { cause });
  }
}
