import { Readable } from 'node:stream';
import type { BlobStore } from '@rerank-fleet/core/ports';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { keysUnder, putAll, read, type OpenBlobs } from './blob-fixtures.js';
import { describeBlobStreams } from './describe-blob-streams.js';
import { describeWriteOnceBlobs } from './describe-write-once-blobs.js';

export interface BlobStoreFactory {
  /** A store of its own, and empty. */
  open(): Promise<BlobStore>;
  close(): Promise<void>;
  /** Why there are no stores here: the suite skips itself. */
  readonly unavailable?: string;
}

const START_MS = 180_000;
/** Of tests with thousands of calls, on a busy machine. */
const THOUSANDS_MS = 180_000;

/** What every blob store does. */
export function describeBlobStore(name: string, start: () => Promise<BlobStoreFactory>): void {
  describe(name, () => {
    let factory: BlobStoreFactory;
    const open = async (context: TestContext): Promise<BlobStore> => {
      context.skip(factory.unavailable !== undefined, factory.unavailable);
      return await factory.open();
    };

    beforeAll(async () => {
      factory = await start();
    }, START_MS);
    afterAll(() => factory.close());

    describeObjects(open);
    describeDeletes(open);
    describeLists(open);
    describeBlobStreams(open);
    describeWriteOnceBlobs(open);
    describeKeys(open);
  });
}

function describeObjects(open: OpenBlobs): void {
  it('gives back what was put: text, bytes or a stream, and its size', async (context) => {
    const store = await open(context);
    await store.put('jobs/text', 'Grüße 🌳');
    await store.put('jobs/bytes', Buffer.from('xx\x00\xFF\n', 'latin1').subarray(2));
    await store.put('jobs/stream', Readable.from(['first ', 'second']));
    await store.put('jobs/empty', '');
    await store.put('jobs/empty-stream', Readable.from([]));
    expect(await read(store, 'jobs/text')).toBe('Grüße 🌳');
    expect(await store.size('jobs/text')).toBe(Buffer.byteLength('Grüße 🌳'));
    expect(await store.get('jobs/bytes')).toEqual(Buffer.of(0, 255, 10));
    expect(await read(store, 'jobs/stream')).toBe('first second');
    for (const key of ['jobs/empty', 'jobs/empty-stream']) {
      expect(await read(store, key)).toBe('');
      expect(await store.size(key)).toBe(0);
    }
  });

  it('knows nothing of a key that was never put, nor of one that only begins others', async (context) => {
    const store = await open(context);
    await store.put('a/b/c', 'there');
    for (const key of ['a/x', 'a/b', 'a', 'a/b/c/d']) {
      expect(await store.get(key)).toBeUndefined();
      expect(await store.stream(key)).toBeUndefined();
      expect(await store.stream(key, { start: 3, end: 3 })).toBeUndefined();
      expect(await store.size(key)).toBeUndefined();
    }
  });

  it('replaces what was there', async (context) => {
    const store = await open(context);
    await store.put('a/b', 'a longer first text');
    await store.put('a/b', 'second');
    expect(await read(store, 'a/b')).toBe('second');
  });

  it('gives a reader the old object or the new, never a part of one', async (context) => {
    const store = await open(context);
    const versions = ['a', 'b'].map((letter) => letter.repeat(300_000));
    await store.put('a/b', versions[0] as string);
    let done = false;
    const writes = (async () => {
      for (let turn = 0; turn < 20; turn += 1) await store.put('a/b', versions[turn % 2] as string);
      done = true;
    })();
    let reads = 0;
    while (!done) {
      expect(versions.includes((await read(store, 'a/b')) ?? '')).toBe(true);
      reads += 1;
    }
    await writes;
    expect(reads).toBeGreaterThan(0);
  });
}

function describeDeletes(open: OpenBlobs): void {
  it('deletes an object, and one that is not there without an error', async (context) => {
    const store = await open(context);
    await store.put('a/b', 'text');
    await store.delete('a/b');
    await store.delete('a/b');
    await store.delete('never/was');
    expect(await store.get('a/b')).toBeUndefined();
  });

  it('deletes all under a prefix and nothing beside it', async (context) => {
    const store = await open(context);
    const beside = ['jobs/a-b', 'jobs/a.b/4', 'jobs/ab/3', 'jobs/b', 'other/a'];
    await putAll(store, ['jobs/a/1', 'jobs/a/b/2', ...beside]);
    await store.deleteUnder('jobs/a');
    await store.deleteUnder('jobs/b');
    await store.deleteUnder('jobs/never');
    expect([...(await keysUnder(store, 'jobs')), ...(await keysUnder(store, 'other'))]).toEqual(beside);
  });

  it('loses no object that is put while its neighbours are deleted', async (context) => {
    const store = await open(context);
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let turn = 0; turn < 15; turn += 1) {
        await store.put(`jobs/t/j/${writer}`, `${turn}`);
        expect(await read(store, `jobs/t/j/${writer}`)).toBe(`${turn}`);
        await store.delete(`jobs/t/j/${writer}`);
      }
    });
    await Promise.all(writers);
    expect(await keysUnder(store, 'jobs')).toEqual([]);
  });
}

function describeLists(open: OpenBlobs): void {
  it('lists all keys under a prefix, ascending, from the beginning or after a key', async (context) => {
    const segment = fc.constantFrom('a', 'b', 'a-b', 'a.b', 'a_b', 'A', 'aa', '1', '10', '2');
    // Other first letters at each depth: a key must not be the prefix of another.
    const key = fc
      .array(segment, { minLength: 1, maxLength: 3 })
      .map((segments) => segments.map((name, depth) => `${'xyz'[depth] as string}${name}`).join('/'));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { maxLength: 12 }), fc.array(key, { maxLength: 4 }), async (keys, others) => {
        const leaves = keys.filter((one) => !keys.some((other) => other.startsWith(`${one}/`))).map((leaf) => `root/${leaf}`);
        const ascending = leaves.toSorted();
        const store = await open(context);
        await putAll(store, [...leaves, 'roots', 'roo/t', 'root-1/a']);
        expect(await keysUnder(store, 'root')).toEqual(ascending);
        for (const after of [...leaves, ...others.map((other) => `root/${other}`), 'a', 'root', 'roots', 'z'])
          expect(await keysUnder(store, 'root', after)).toEqual(ascending.filter((leaf) => leaf > after));
      }),
      { numRuns: 15 },
    );
  });

  it('lists nothing under a prefix that is not there', async (context) => {
    const store = await open(context);
    await store.put('a/b', 'an object is no prefix');
    expect(await keysUnder(store, 'nowhere')).toEqual([]);
    expect(await keysUnder(store, 'a/b')).toEqual([]);
  });

  it('lists and deletes thousands of keys', { timeout: THOUSANDS_MS }, async (context) => {
    const store = await open(context);
    const keys = Array.from({ length: 2_100 }, (_, n) => `jobs/t/results/${String(n).padStart(6, '0')}`);
    await putAll(store, [...keys, 'jobs/t/results-of-another']);
    expect(await keysUnder(store, 'jobs/t/results')).toEqual(keys);
    for (const position of [0, 999, 1_000, 1_337, 2_099])
      expect(await keysUnder(store, 'jobs', keys[position])).toEqual([...keys.slice(position + 1)]);
    // Left off half way, as by a client that goes.
    for await (const key of store.list('jobs')) if (key === keys[1_500]) break;
    await store.deleteUnder('jobs/t/results');
    expect(await keysUnder(store, 'jobs')).toEqual(['jobs/t/results-of-another']);
  });

  it('lists what stays while it deletes what it lists', { timeout: THOUSANDS_MS }, async (context) => {
    const store = await open(context);
    const keys = Array.from({ length: 1_200 }, (_, n) => `jobs/${String(n).padStart(4, '0')}/job.json`);
    await putAll(store, keys);
    const listed: string[] = [];
    for await (const key of store.list('jobs')) {
      listed.push(key);
      if (listed.length % 3 === 0) await store.delete(key);
    }
    expect(listed).toEqual(keys);
    expect(await keysUnder(store, 'jobs')).toEqual(keys.filter((_, n) => (n + 1) % 3 !== 0));
  });
}

function describeKeys(open: OpenBlobs): void {
  const refused = ['', '/', 'a//b', '../a', 'a/../../b', 'a/.', '.', '/etc/passwd', 'a/', 'a\\b', 'a b', 'a\0b', 'ä', '.staging/x', 'a/.b'];

  it.for(refused)('refuses the key %j in every call', async (key, context) => {
    const store = await open(context);
    const bodies = [Readable.from(['x']), Readable.from(['x'])] as const;
    const calls = [
      () => store.put(key, 'x'),
      () => store.put(key, bodies[0]),
      () => store.create(key, 'x'),
      () => store.create(key, bodies[1]),
      () => store.get(key),
      () => store.stream(key),
      () => store.size(key),
      () => store.delete(key),
      () => store.deleteUnder(key),
      () => keysUnder(store, key),
      () => keysUnder(store, 'a', key),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow('not allowed');
    expect(bodies.every(({ destroyed }) => destroyed)).toBe(true);
  });
}
