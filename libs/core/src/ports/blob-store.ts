import type { Readable } from 'node:stream';

/** A stream is read to its end or destroyed, whatever becomes of the call; no more of it is held in memory than is under way. */
export type BlobBody = Uint8Array | string | Readable;

/** Bytes `[start, end)`; to the end of the object where `end` is left out. What lies beyond the object is empty. */
export interface BlobRange {
  readonly start: number;
  readonly end?: number;
}

export interface BlobListOptions {
  /** Begins after this key, which need not exist: where an earlier listing ended. */
  readonly after?: string;
}

/**
 * Durable objects by key. Keys are `/`-separated segments of `[A-Za-z0-9._-]` that do not begin with a dot. No key goes on with a `/` where another ends: of
 * `a` and `a/b` only one may be there.
 *
 * Every object is visible whole or not at all. A body whose stream fails rejects the call with the stream's error and leaves nothing.
 *
 * @throws RerankError `storage_full`, `blob_store_unavailable`; InvariantError for a key or a range that is not allowed
 */
export interface BlobStore {
  /** Writes the whole object or nothing; durable when the promise resolves. Replaces what was there. */
  put(key: string, body: BlobBody): Promise<void>;
  /**
   * Writes the object if there is none: true. False, changing nothing, where there is one; of calls at the same time, from any process, exactly one is
   * true. Durable when the promise resolves.
   */
  create(key: string, body: BlobBody): Promise<boolean>;
  /** Undefined if there is none. */
  get(key: string): Promise<Buffer | undefined>;
  /**
   * Undefined if there is none. The bytes are of one version of the object; where it is replaced or deleted meanwhile, the stream may fail instead. The
   * caller destroys the stream if it does not read it to the end.
   */
  stream(key: string, range?: BlobRange): Promise<Readable | undefined>;
  /** Bytes; undefined if there is none. */
  size(key: string): Promise<number | undefined>;
  /** Removing what is not there is no error. */
  delete(key: string): Promise<void>;
  /** Removes every object whose key starts with `prefix` + `/`. */
  deleteUnder(prefix: string): Promise<void>;
  /** Keys under `prefix` + `/`, ascending by code unit; fetched as they are asked for. */
  list(prefix: string, options?: BlobListOptions): AsyncIterable<string>;
}
