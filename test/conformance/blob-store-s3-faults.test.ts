import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, UploadPartCommand, type S3Client } from '@aws-sdk/client-s3';
import { S3BlobStore } from '@rerank-fleet/core/adapters/blobs/s3-blob-store';
import type { S3Location } from '@rerank-fleet/core/config';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NoS3Server, S3Server } from '../support/s3-server.js';
import { failingBody, keysUnder, numberedChunks, read } from './blob-fixtures.js';
import { Gate } from './blob-gate.js';

const MIB = 1024 * 1024;
const START_MS = 180_000;
/** Of a call to a frozen server; a server that works may well take longer on a busy machine. */
const IMPATIENT_MS = 300;

describe('S3BlobStore, where something is wrong', () => {
  let server: S3Server | undefined;
  let whyNot = '';
  let gate: Gate;
  let inspector: S3Client;
  let location: S3Location;
  const opened: S3BlobStore[] = [];

  const openStore = (overrides: Partial<S3Location> = {}): S3BlobStore => {
    const store = new S3BlobStore({ ...location, endpoint: gate.url, ...overrides });
    opened.push(store);
    return store;
  };
  const uploadsInParts = async (): Promise<number> => {
    const { Uploads: uploads = [] } = await inspector.send(
      new ListMultipartUploadsCommand({ Bucket: location.bucket, Prefix: location.prefix }),
    );
    return uploads.length;
  };

  beforeAll(async () => {
    try {
      server = await S3Server.start();
    } catch (error) {
      if (!(error instanceof NoS3Server)) throw error;
      whyNot = error.message;
      return;
    }
    inspector = server.client();
    gate = await Gate.before(server.url);
  }, START_MS);

  beforeEach((context) => {
    context.skip(server === undefined, whyNot);
    location = server!.location(`faults/${randomUUID()}`);
  });

  afterEach(async () => {
    for (const store of opened.splice(0)) store.close();
    server?.thaw();
    if (server !== undefined) await gate.open();
  });

  afterAll(async () => {
    if (server === undefined) return;
    inspector.destroy();
    await gate.close();
    await server.stop();
  });

  const calls: readonly (readonly [string, (store: S3BlobStore) => Promise<unknown>])[] = [
    ['put', (store) => store.put('a/b', 'new')],
    ['put of a stream', (store) => store.put('a/b', Readable.from(['new']))],
    ['put of a long stream', (store) => store.put('a/b', Readable.from(numberedChunks(11 * MIB), { objectMode: false }))],
    ['create', (store) => store.create('a/c', 'new')],
    ['create of a stream', (store) => store.create('a/c', Readable.from(['new']))],
    ['get', (store) => store.get('a/b')],
    ['stream', (store) => store.stream('a/b')],
    ['size', (store) => store.size('a/b')],
    ['delete', (store) => store.delete('a/b')],
    ['deleteUnder', (store) => store.deleteUnder('a')],
    ['list', (store) => keysUnder(store, 'a')],
    ['sweep', (store) => store.sweep(0)],
  ];

  it.each(calls)('says that the server refuses connections, and works when it is back: %s', async (_name, call) => {
    const store = openStore();
    await store.put('a/b', 'old');
    await gate.close();
    await expect(call(store)).rejects.toMatchObject({ code: 'blob_store_unavailable', retryAfterS: 5 });
    await gate.open();
    expect(await read(store, 'a/b')).toBe('old');
    await call(store);
  });

  it.each(calls)('says within its time that the server is silent, and works when it speaks again: %s', async (_name, call) => {
    const [impatient, patient] = [openStore({ timeoutMs: IMPATIENT_MS }), openStore()];
    await patient.put('a/b', 'old');
    server?.freeze();
    await expect(call(impatient))
      .rejects.toMatchObject({ code: 'blob_store_unavailable' })
      .finally(() => server?.thaw());
    await call(patient);
  });

  it('ends the body of a call that failed', async () => {
    const store = openStore();
    await gate.close();
    for (const write of [(body: Readable) => store.put('a/b', body), (body: Readable) => store.create('a/b', body)]) {
      const body = Readable.from(numberedChunks(100 * MIB), { objectMode: false });
      await expect(write(body)).rejects.toMatchObject({ code: 'blob_store_unavailable' });
      expect(body.destroyed).toBe(true);
    }
    await gate.open();
    expect(await keysUnder(store, 'a')).toEqual([]);
  });

  it('takes no more of a body than it can send', async () => {
    const store = openStore({ timeoutMs: IMPATIENT_MS });
    let taken = 0;
    const endless = function* () {
      for (;;) {
        taken += MIB;
        yield Buffer.alloc(MIB);
      }
    };
    server?.freeze();
    await expect(store.put('a/endless', Readable.from(endless(), { objectMode: false })))
      .rejects.toMatchObject({ code: 'blob_store_unavailable' })
      .finally(() => server?.thaw());
    expect(taken).toBeLessThanOrEqual(24 * MIB);
  });

  it('knows its own write again when the answer to it was lost', async () => {
    const store = openStore();
    gate.cutAnswers(1, 0);
    expect(await store.create('a/once', 'mine')).toBe(true);
    expect(await store.create('a/once', 'mine')).toBe(false);
    expect(await read(store, 'a/once')).toBe('mine');
  });

  it('reads on where an answer broke off', async () => {
    const store = openStore();
    const whole = Buffer.concat([...numberedChunks(9 * MIB)]);
    await store.put('a/long', whole);
    gate.cutAnswers(2, MIB);
    const stream = await store.stream('a/long');
    expect(stream && (await buffer(stream)).equals(whole)).toBe(true);
    gate.cutAnswers(3, MIB);
    await expect(store.get('a/long')).rejects.toMatchObject({ code: 'blob_store_unavailable' });
  });

  it.each([
    ['replaced', (store: S3BlobStore) => store.put('a/long', Buffer.alloc(9 * MIB, 'y'))],
    ['deleted', (store: S3BlobStore) => store.delete('a/long')],
  ])('fails a stream rather than mix versions when the object is %s meanwhile', async (_how, change) => {
    const store = openStore();
    await store.put('a/long', Buffer.alloc(9 * MIB, 'x'));
    const stream = await store.stream('a/long');
    await change(store);
    await expect(buffer(stream ?? Readable.from([]))).rejects.toMatchObject({ code: 'blob_store_unavailable' });
  });

  it('leaves no parts of a body that failed, nor of a long one that came second', async () => {
    const store = openStore();
    await expect(store.put('a/failed', failingBody(12 * MIB))).rejects.toThrow('the client went away');
    const streams = [1, 2].map(() => Readable.from(numberedChunks(11 * MIB), { objectMode: false }));
    await Promise.all(streams.map((body) => store.create('a/once', body)));
    expect(await uploadsInParts()).toBe(0);
    expect(await keysUnder(store, 'a')).toEqual(['a/once']);
  });

  it('sweeps away parts of uploads whose process was killed, its own only, and none that are young', async () => {
    const store = openStore();
    const beside = server!.location(`faults/${randomUUID()}`);
    for (const { bucket: Bucket, prefix } of [location, beside]) {
      const Key = `${prefix}/a/killed`;
      const { UploadId } = await inspector.send(new CreateMultipartUploadCommand({ Bucket, Key }));
      await inspector.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: Buffer.alloc(MIB) }));
    }
    // moto says of every upload that it was begun in 2010.
    await store.sweep(100 * 365 * 86_400_000);
    expect(await uploadsInParts()).toBe(1);
    await store.sweep(86_400_000);
    expect(await uploadsInParts()).toBe(0);
    location = beside;
    expect(await uploadsInParts()).toBe(1);
  });

  it('sweeps away all of them where processes that start together sweep at once', async () => {
    const { bucket: Bucket, prefix } = location;
    for (let n = 0; n < 6; n += 1) await inspector.send(new CreateMultipartUploadCommand({ Bucket, Key: `${prefix}/a/killed-${n}` }));
    const stores = [openStore(), openStore(), openStore()];
    const sweeps = await Promise.allSettled(stores.map((store) => store.sweep(86_400_000)));
    expect(sweeps.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
    expect(await uploadsInParts()).toBe(0);
  });

  it('says that a bucket is not there rather than that it is empty', async () => {
    const store = openStore({ bucket: 'never-made' });
    for (const call of [() => store.put('a/b', 'x'), () => store.create('a/b', 'x'), () => store.get('a/b'), () => keysUnder(store, 'a')])
      await expect(call()).rejects.toMatchObject({ code: 'blob_store_unavailable' });
  });

  it('keeps stores apart that share a bucket, and keys below their prefix', async () => {
    const [one, other, whole] = [openStore(), openStore({ prefix: `${location.prefix}-2` }), openStore({ prefix: '' })];
    await one.put('a/b', 'one');
    await other.put('a/b', 'other');
    expect(await read(one, 'a/b')).toBe('one');
    expect(await keysUnder(other, 'a')).toEqual(['a/b']);
    expect(await keysUnder(whole, location.prefix)).toEqual([`${location.prefix}/a/b`]);
    await one.deleteUnder('a');
    expect(await read(other, 'a/b')).toBe('other');
  });
});
