import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { BlobStore } from '@rerank-fleet/core/ports';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

export interface BlobStoreFactory {
  /** A store of its own, and empty. */
  open(): Promise<BlobStore>;
  close(): Promise<void>;
}

async function keysUnder(store: BlobStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list(prefix)) keys.push(key);
  return keys;
}

const read = async (store: BlobStore, key: string): Promise<string | undefined> => (await store.get(key))?.toString('utf8');

/** What every blob store does. */
export function describeBlobStore(name: string, start: () => Promise<BlobStoreFactory>): void {
  describe(name, () => {
    let factory: BlobStoreFactory;

    beforeAll(async () => {
      factory = await start();
    });
    afterAll(() => factory.close());

    it('gives back what was put: text, bytes or a stream', async () => {
      const store = await factory.open();
      await store.put('jobs/text', 'Grüße 🌳');
      await store.put('jobs/bytes', Uint8Array.of(0, 255, 10));
      await store.put('jobs/stream', Readable.from(['first ', 'second']));
      await store.put('jobs/empty', '');
      expect(await read(store, 'jobs/text')).toBe('Grüße 🌳');
      expect(await store.get('jobs/bytes')).toEqual(Buffer.of(0, 255, 10));
      expect(await read(store, 'jobs/stream')).toBe('first second');
      expect(await read(store, 'jobs/empty')).toBe('');
    });

    it('streams what was put', async () => {
      const store = await factory.open();
      await store.put('a/b', 'streamed');
      const stream = await store.stream('a/b');
      expect(stream && (await text(stream))).toBe('streamed');
    });

    it('knows nothing of a key that was never put, nor of one that only begins others', async () => {
      const store = await factory.open();
      await store.put('a/b/c', 'there');
      for (const key of ['a/x', 'a/b', 'a', 'a/b/c/d']) expect(await store.get(key)).toBeUndefined();
      expect(await store.stream('a/x')).toBeUndefined();
    });

    it('replaces what was there', async () => {
      const store = await factory.open();
      await store.put('a/b', 'a longer first text');
      await store.put('a/b', 'second');
      expect(await read(store, 'a/b')).toBe('second');
    });

    it('leaves the old object, and nothing else, when the body fails half way', async () => {
      const store = await factory.open();
      await store.put('a/kept', 'old');
      const failing = (): Readable =>
        Readable.from(
          (function* () {
            yield 'x'.repeat(100_000);
            throw new Error('the client went away');
          })(),
        );
      await expect(store.put('a/kept', failing())).rejects.toThrow('the client went away');
      await expect(store.put('a/new', failing())).rejects.toThrow('the client went away');
      expect(await read(store, 'a/kept')).toBe('old');
      expect(await keysUnder(store, 'a')).toEqual(['a/kept']);
    });

    it('gives a reader the old object or the new, never a part of one', async () => {
      const store = await factory.open();
      const versions = ['a', 'b'].map((letter) => letter.repeat(300_000));
      await store.put('a/b', versions[0] as string);
      const writes = (async () => {
        for (let turn = 0; turn < 20; turn += 1) await store.put('a/b', versions[turn % 2] as string);
      })();
      let done = false;
      const settled = writes.then(() => (done = true));
      let reads = 0;
      while (!done) {
        expect(versions.includes((await read(store, 'a/b')) ?? '')).toBe(true);
        reads += 1;
      }
      await settled;
      expect(reads).toBeGreaterThan(0);
    });

    it('deletes an object, and one that is not there without an error', async () => {
      const store = await factory.open();
      await store.put('a/b', 'text');
      await store.delete('a/b');
      await store.delete('a/b');
      expect(await store.get('a/b')).toBeUndefined();
    });

    it('deletes all under a prefix and nothing beside it', async () => {
      const store = await factory.open();
      for (const key of ['jobs/a/1', 'jobs/a/b/2', 'jobs/ab/3', 'other/a']) await store.put(key, key);
      await store.deleteUnder('jobs/a');
      await store.deleteUnder('jobs/never');
      expect([...(await keysUnder(store, 'jobs')), ...(await keysUnder(store, 'other'))]).toEqual(['jobs/ab/3', 'other/a']);
    });

    it('lists all keys under a prefix, ascending', async () => {
      const segment = fc.constantFrom('a', 'b', 'a-b', 'a.b', 'a_b', 'A', 'aa', '1', '10', '2');
      // Other first letters at each depth: a key must not be the prefix of another.
      const key = fc
        .array(segment, { minLength: 1, maxLength: 3 })
        .map((segments) => segments.map((name, depth) => `${'xyz'[depth] as string}${name}`).join('/'));
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(key, { maxLength: 12 }), async (keys) => {
          const leaves = keys.filter((one) => !keys.some((other) => other.startsWith(`${one}/`)));
          const store = await factory.open();
          for (const leaf of leaves) await store.put(`root/${leaf}`, 'x');
          await store.put('roots', 'beside');
          expect(await keysUnder(store, 'root')).toEqual(leaves.map((leaf) => `root/${leaf}`).sort());
        }),
        { numRuns: 15 },
      );
    });

    it('lists nothing under a prefix that is not there', async () => {
      expect(await keysUnder(await factory.open(), 'nowhere')).toEqual([]);
    });

    it.each(['', '/', 'a//b', '../a', 'a/../../b', 'a/.', '.', '/etc/passwd', 'a\\b', 'a b', 'a\0b', 'ä', '.staging/x'])(
      'refuses the key %j in every call',
      async (key) => {
        const store = await factory.open();
        const calls = [
          () => store.put(key, 'x'),
          () => store.get(key),
          () => store.stream(key),
          () => store.delete(key),
          () => store.deleteUnder(key),
          () => keysUnder(store, key),
        ];
        for (const call of calls) await expect(call()).rejects.toThrow('not allowed');
      },
    );
  });
}
