import type { Readable } from 'node:stream';

/**
 * Durable objects by key. Keys are `/`-separated segments of `[A-Za-z0-9._-]`, never `.` or `..`.
 *
 * @throws RerankError `storage_full`; any other I/O fault as it is
 */
export interface BlobStore {
  /** Writes the whole object or nothing; durable (fsync) when the promise resolves. Replaces what was there. */
  put(key: string, body: Uint8Array | string | Readable): Promise<void>;
  /** Undefined if there is none. */
  get(key: string): Promise<Buffer | undefined>;
  /** Undefined if there is none. The caller destroys the stream if it does not read it to the end. */
  stream(key: string): Promise<Readable | undefined>;
  /** Removing what is not there is no error. */
  delete(key: string): Promise<void>;
  /** Removes every object whose key starts with `prefix` + `/`. */
  deleteUnder(prefix: string): Promise<void>;
  /** Keys under `prefix` + `/`, ascending. */
  list(prefix: string): AsyncIterable<string>;
}
