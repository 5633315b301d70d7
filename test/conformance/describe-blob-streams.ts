import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import type { BlobStore } from '@rerank-fleet/core/ports';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { failingBody, keysUnder, numberedChunks, read, type OpenBlobs } from './blob-fixtures.js';

const MIB = 1024 * 1024;
/** More than one call transfers, in either direction. */
const LARGE_BYTES = 20 * MIB + 12_345;

async function digest(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

/** Undefined where there is no object. */
async function readRange(store: BlobStore, key: string, start: number, end?: number): Promise<Buffer | undefined> {
  const stream = await store.stream(key, end === undefined ? { start } : { start, end });
  return stream && (await buffer(stream));
}

/** What every blob store does with streams and ranges. */
export function describeBlobStreams(open: OpenBlobs): void {
  it('streams what was put', async (context) => {
    const store = await open(context);
    await store.put('a/b', 'streamed');
    const stream = await store.stream('a/b');
    expect(stream && (await text(stream))).toBe('streamed');
  });

  it('keeps every byte of a long stream, and gives it back as a stream, whole or in ranges', async (context) => {
    const store = await open(context);
    await store.put('a/long', Readable.from(numberedChunks(LARGE_BYTES), { objectMode: false }));
    const whole = Buffer.concat([...numberedChunks(LARGE_BYTES)]);
    expect(await store.size('a/long')).toBe(LARGE_BYTES);
    const stream = await store.stream('a/long');
    expect(stream && (await digest(stream))).toBe(await digest([whole]));
    expect(await store.get('a/long').then((bytes) => bytes?.equals(whole))).toBe(true);
    for (const [start, end] of [[4 * MIB - 3, 4 * MIB + 3], [1, 9 * MIB + 1], [LARGE_BYTES - 5], [5 * MIB, LARGE_BYTES + 5]] as const)
      expect((await readRange(store, 'a/long', start, end))?.equals(whole.subarray(start, end))).toBe(true);
    await store.put('a/bytes', whole);
    expect(await store.get('a/bytes').then((bytes) => bytes?.equals(whole))).toBe(true);
  });

  it('gives the bytes of any range, the end exclusive; what lies beyond the object is empty', async (context) => {
    const store = await open(context);
    const bytes = Buffer.from(Array.from({ length: 300 }, (_, n) => n % 251));
    await store.put('a/b', bytes);
    await store.put('a/empty', '');
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 320 }), fc.option(fc.nat({ max: 320 }), { nil: undefined }), async (start, length) => {
        const end = length === undefined ? undefined : start + length;
        expect(await readRange(store, 'a/b', start, end)).toEqual(bytes.subarray(start, end));
        expect(await readRange(store, 'a/empty', start, end)).toHaveLength(0);
      }),
      { numRuns: 40 },
    );
  });

  it.for<[number, number]>([
    [-1, 3],
    [4, 3],
    [0.5, 3],
    [0, Number.NaN],
    [0, Infinity],
  ])('refuses the range from %d to %d', async ([start, end], context) => {
    const store = await open(context);
    await store.put('a/b', 'text');
    await expect(store.stream('a/b', { start, end })).rejects.toThrow('not allowed');
  });

  it('leaves a stream that is not read to its end', async (context) => {
    const store = await open(context);
    await store.put('a/long', Buffer.alloc(12 * MIB, 'x'));
    for (let turn = 0; turn < 3; turn += 1) {
      const stream = await store.stream('a/long');
      for await (const chunk of stream ?? []) if ((chunk as Buffer).length > 0) break;
      expect(stream?.destroyed).toBe(true);
    }
    expect(await store.size('a/long')).toBe(12 * MIB);
  });

  it.for<[string, number]>([
    ['at once', 0],
    ['in the first part', 100_000],
    ['after many parts', 12 * MIB],
  ])('leaves the old object, and nothing else, when the body fails %s', async ([, bytes], context) => {
    const store = await open(context);
    await store.put('a/kept', 'old');
    await expect(store.put('a/kept', failingBody(bytes))).rejects.toThrow('the client went away');
    await expect(store.put('a/new', failingBody(bytes))).rejects.toThrow('the client went away');
    await expect(store.create('a/once', failingBody(bytes))).rejects.toThrow('the client went away');
    expect(await read(store, 'a/kept')).toBe('old');
    expect(await keysUnder(store, 'a')).toEqual(['a/kept']);
    expect(await store.create('a/once', 'written')).toBe(true);
  });

  it('leaves nothing of a body that ends too early or had failed before', async (context) => {
    const store = await open(context);
    const cut = new Readable({ read: () => undefined });
    cut.push('the first half');
    setImmediate(() => cut.destroy());
    await expect(store.put('a/cut', cut)).rejects.toThrow('Premature close');
    const failed = new Readable({ read: () => undefined });
    failed.on('error', () => undefined).destroy(new Error('gone before'));
    await expect(store.put('a/failed', failed)).rejects.toThrow('gone before');
    expect(await keysUnder(store, 'a')).toEqual([]);
  });
}
