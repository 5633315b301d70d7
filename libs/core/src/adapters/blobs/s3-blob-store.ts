import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type HeadObjectCommandOutput,
  type ListMultipartUploadsCommandOutput,
  type MultipartUpload,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { S3Location } from '../../config/index.js';
import { RerankError } from '../../errors/index.js';
import type { BlobBody, BlobListOptions, BlobRange, BlobStore } from '../../ports/index.js';
import { BodySource } from './blob-body.js';
import { checkKey, checkRange } from './blob-key.js';
import { connectS3 } from './s3-client.js';
import { asS3Error, isConditionFailed, isConflict, isMissing, isNoUpload } from './s3-errors.js';
import { S3Reader } from './s3-reader.js';

/** The smallest that S3 takes. Of 10,000 parts at most, an object from a stream has 48 GiB at most. */
const PART_BYTES = 5 * 1024 * 1024;
/** Parts of one stream on their way at once. With the one that is being filled and a copy of it: 20 MiB a stream. */
const PARTS_AT_ONCE = 2;
/** The most that S3 takes. */
const KEYS_A_CALL = 1_000;
/** Metadata that says which write an object is of. */
const WRITE = 'rerank-write';

/** What a write asks for beside the bytes. */
interface WriteCondition {
  readonly IfNoneMatch?: '*';
  readonly Metadata?: Record<string, string>;
}

/**
 * Blobs as objects of S3, or of a server that speaks its protocol and honours `If-None-Match: *` (directory buckets do not list in order and will not do). Streams go
 * up in parts, which become visible together.
 */
export class S3BlobStore implements BlobStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #root: string;
  readonly #reader: S3Reader;

  constructor(location: S3Location) {
    this.#client = connectS3(location);
    this.#bucket = location.bucket;
    this.#root = location.prefix === '' ? '' : `${location.prefix}/`;
    this.#reader = new S3Reader(this.#client, location.bucket);
  }

  async put(key: string, body: BlobBody): Promise<void> {
    await this.#write(key, body, {});
  }

  async create(key: string, body: BlobBody): Promise<boolean> {
    const write = randomUUID();
    const outcome = await this.#write(key, body, { IfNoneMatch: '*', Metadata: { [WRITE]: write } });
    if (outcome === 'written') return true;
    // An attempt whose answer was lost may have written it, and the next one met it.
    const there = await this.#head(key);
    if (there === undefined && outcome === 'conflict')
      throw new RerankError('blob_store_unavailable', 'An object was deleted while it was made. Try again.', { retryAfterS: 1 });
    return there?.Metadata?.[WRITE] === write;
  }

  async get(key: string): Promise<Buffer | undefined> {
    const pieces = await this.#reader.read(this.#key(key), { start: 0 });
    return pieces === undefined ? undefined : await buffer(pieces);
  }

  async stream(key: string, range: BlobRange = { start: 0 }): Promise<Readable | undefined> {
    const { start, end } = checkRange(range);
    if (end === start) return (await this.size(key)) === undefined ? undefined : Readable.from([]);
    const pieces = await this.#reader.read(this.#key(key), range);
    return pieces === undefined ? undefined : Readable.from(pieces, { objectMode: false });
  }

  async size(key: string): Promise<number | undefined> {
    return (await this.#head(key))?.ContentLength;
  }

  async delete(key: string): Promise<void> {
    const target = { Bucket: this.#bucket, Key: this.#key(key) };
    await this.#client.send(new DeleteObjectCommand(target)).catch(rethrow);
  }

  async deleteUnder(prefix: string): Promise<void> {
    for await (const keys of this.#pages(`${this.#key(prefix)}/`, '')) {
      const command = new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true } });
      const { Errors: faults = [] } = await this.#client.send(command).catch(rethrow);
      if (faults.length > 0)
        throw asS3Error(new Error(`${faults.length} objects were not deleted: ${faults[0]?.Code ?? 'no reason given'}`));
    }
  }

  async *list(prefix: string, { after }: BlobListOptions = {}): AsyncIterable<string> {
    for await (const keys of this.#pages(`${this.#key(prefix)}/`, after === undefined ? '' : this.#key(after)))
      for (const key of keys) yield key.slice(this.#root.length);
  }

  /** Gives up uploads in parts that were begun so long ago, as their process was killed. */
  async sweep(olderThanMs: number): Promise<void> {
    for await (const { Key, UploadId, Initiated } of this.#uploads()) {
      if (Initiated === undefined || Date.now() - Initiated.getTime() < olderThanMs) continue;
      await this.#client.send(new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId })).catch(rethrowUnlessGone);
    }
  }

  close(): void {
    this.#client.destroy();
  }

  async #write(key: string, body: BlobBody, condition: WriteCondition): Promise<'written' | 'taken' | 'conflict'> {
    const source = new BodySource(body);
    try {
      const target = { Bucket: this.#bucket, Key: this.#key(key), ...condition };
      const bytes = source.bytes;
      // Only spares the sending of a long body; the condition decides.
      if (bytes === undefined && condition.IfNoneMatch !== undefined && (await this.size(key)) !== undefined) return 'taken';
      if (bytes === undefined) await this.#upload(target, source);
      else await this.#client.send(new PutObjectCommand({ ...target, Body: bytes }));
      return 'written';
    } catch (error) {
      const fault = source.faultOr(error, asS3Error);
      if (condition.IfNoneMatch !== undefined && fault instanceof RerankError && isConditionFailed(fault.cause)) return 'taken';
      if (condition.IfNoneMatch !== undefined && fault instanceof RerankError && isConflict(fault.cause)) return 'conflict';
      throw fault;
    } finally {
      source.end();
    }
  }

  /** A failure gives up the parts that have arrived. */
  async #upload(target: { readonly Bucket: string; readonly Key: string } & WriteCondition, source: BodySource): Promise<void> {
    const params = { ...target, Body: Readable.from(source.chunks(), { objectMode: false }) };
    await new Upload({ client: this.#client, params, partSize: PART_BYTES, queueSize: PARTS_AT_ONCE }).done();
  }

  async #head(key: string): Promise<HeadObjectCommandOutput | undefined> {
    return await this.#client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: this.#key(key) })).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw asS3Error(error);
    });
  }

  async *#uploads(): AsyncGenerator<MultipartUpload> {
    let page: ListMultipartUploadsCommandOutput | undefined;
    do {
      const from = { KeyMarker: page?.NextKeyMarker, UploadIdMarker: page?.NextUploadIdMarker };
      page = await this.#client.send(new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: this.#root, ...from })).catch(rethrow);
      yield* page.Uploads ?? [];
    } while (page.IsTruncated === true);
  }

  /** Whole keys, ascending. Each page begins behind the last key of the one before, so that it does not matter what was deleted meanwhile. */
  async *#pages(prefix: string, after: string): AsyncGenerator<string[]> {
    let last = after;
    for (;;) {
      const from = last === '' ? {} : { StartAfter: last };
      const command = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, MaxKeys: KEYS_A_CALL, ...from });
      const page = await this.#client.send(command).catch(rethrow);
      const keys = (page.Contents ?? []).flatMap(({ Key }) => (Key === undefined ? [] : [Key]));
      if (keys.length > 0) yield keys;
      if (page.IsTruncated !== true || keys.length === 0) return;
      last = keys.at(-1) ?? last;
    }
  }

  #key(key: string): string {
    return this.#root + checkKey(key);
  }
}

/** Another process has given it up meanwhile, or ended it. */
function rethrowUnlessGone(error: unknown): void {
  if (!isNoUpload(error)) rethrow(error);
}

function rethrow(error: unknown): never {
  throw asS3Error(error);
}
