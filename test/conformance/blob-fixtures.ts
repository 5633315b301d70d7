import { Readable } from 'node:stream';
import type { BlobStore } from '@rerank-fleet/core/ports';
import type { TestContext } from 'vitest';

/** A store of its own for a test, and empty; skips the test where there is none. */
export type OpenBlobs = (context: TestContext) => Promise<BlobStore>;

export async function keysUnder(store: BlobStore, prefix: string, after?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list(prefix, after === undefined ? {} : { after })) keys.push(key);
  return keys;
}

export const read = async (store: BlobStore, key: string): Promise<string | undefined> => (await store.get(key))?.toString('utf8');

/** Many at once, as one after the other would take long. */
export async function putAll(store: BlobStore, keys: readonly string[]): Promise<void> {
  for (let first = 0; first < keys.length; first += 32) await Promise.all(keys.slice(first, first + 32).map((key) => store.put(key, key)));
}

/** Ends in an error after so many bytes. */
export function failingBody(bytes: number): Readable {
  const chunks = function* () {
    for (let left = bytes; left > 0; left -= 50_000) yield 'x'.repeat(Math.min(left, 50_000));
    throw new Error('the client went away');
  };
  return Readable.from(chunks(), { objectMode: false });
}

/** Bytes that say where they stand, in chunks that divide no part. */
export function* numberedChunks(bytes: number): Generator<Buffer> {
  for (let start = 0; start < bytes; start += 65_521) yield Buffer.alloc(Math.min(65_521, bytes - start), `${start},`);
}
