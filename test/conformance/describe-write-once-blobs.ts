import { Readable } from 'node:stream';
import type { BlobStore } from '@rerank-fleet/core/ports';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { numberedChunks, read, type OpenBlobs } from './blob-fixtures.js';

const SEVERAL_PARTS_BYTES = 6 * 1024 * 1024;

/** Writers of one key at the same time: which said that it won, and what is there then. */
async function race(
  store: BlobStore,
  key: string,
  streamed: readonly boolean[],
): Promise<{ winners: number[]; there: string | undefined }> {
  const bodies = streamed.map((isStream, writer) => (isStream ? Readable.from([`stream `, `of ${writer}`]) : `text of ${writer}`));
  const won = await Promise.all(bodies.map((body) => store.create(key, body)));
  return { winners: won.flatMap((one, writer) => (one ? [writer] : [])), there: await read(store, key) };
}

/** What every blob store does when an object may be written once. */
export function describeWriteOnceBlobs(open: OpenBlobs): void {
  it('creates an object once and then changes nothing, whatever the body', async (context) => {
    const store = await open(context);
    expect(await store.create('a/once', 'first')).toBe(true);
    expect(await store.create('a/once', 'second')).toBe(false);
    const third = Readable.from(['third']);
    expect(await store.create('a/once', third)).toBe(false);
    expect(third.destroyed).toBe(true);
    expect(await store.create('a/once', 'first')).toBe(false);
    expect(await read(store, 'a/once')).toBe('first');
    expect(await store.create('a/streamed', Readable.from(['from ', 'a stream']))).toBe(true);
    expect(await read(store, 'a/streamed')).toBe('from a stream');
  });

  it('creates over nothing that was put, and puts over what was created', async (context) => {
    const store = await open(context);
    await store.put('a/b', 'put');
    expect(await store.create('a/b', 'created')).toBe(false);
    expect(await read(store, 'a/b')).toBe('put');
    await store.put('a/b', 'put again');
    expect(await read(store, 'a/b')).toBe('put again');
  });

  it('creates again what was deleted', async (context) => {
    const store = await open(context);
    await store.create('a/b', 'first');
    await store.delete('a/b');
    expect(await store.create('a/b', 'second')).toBe(true);
    expect(await read(store, 'a/b')).toBe('second');
  });

  it('lets exactly one of many writers create an object, and keeps that one’s bytes', async (context) => {
    const store = await open(context);
    let key = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 2, maxLength: 12 }), async (streamed) => {
        const { winners, there } = await race(store, `races/${(key += 1)}`, streamed);
        expect(winners).toHaveLength(1);
        const winner = winners[0] ?? -1;
        expect(there).toBe(`${streamed[winner] === true ? 'stream' : 'text'} of ${winner}`);
      }),
      { numRuns: 25 },
    );
  });

  it('lets exactly one of many long streams create an object', async (context) => {
    const store = await open(context);
    const body = (): Readable => Readable.from(numberedChunks(SEVERAL_PARTS_BYTES), { objectMode: false });
    const won = await Promise.all([store.create('a/long', body()), store.create('a/long', body()), store.create('a/long', body())]);
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await store.size('a/long')).toBe(SEVERAL_PARTS_BYTES);
  });
}
