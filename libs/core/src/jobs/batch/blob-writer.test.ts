import { setImmediate as turn } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { RerankError } from '../../errors/index.js';
import type { BlobStore } from '../../ports/index.js';
import { BlobWriter } from './blob-writer.js';

/** A store that reads when it is told to. */
class SlowStore {
  readonly chunks: Buffer[] = [];
  #go = Promise.withResolvers<undefined>();
  #body: Readable | undefined;

  readonly blobs = { put: (_key: string, body: Readable) => this.#put(body) } as unknown as BlobStore;

  wake(): void {
    this.#go.resolve(undefined);
  }

  fail(error: Error): void {
    this.#go.reject(error);
  }

  async #put(body: Readable): Promise<void> {
    this.#body = body;
    try {
      await this.#go.promise;
      for await (const chunk of body) this.chunks.push(chunk as Buffer);
    } finally {
      // As the port says: the body is read to its end or destroyed.
      this.#body.destroy();
    }
  }
}

/** Writes until the store is behind. */
function fill(writer: BlobWriter): { readonly written: number; readonly room: Promise<void> } {
  for (;;) {
    const room = writer.room();
    if (room !== undefined) return { written: writer.bytes, room };
    writer.write('x'.repeat(10_000));
  }
}

describe('BlobWriter', () => {
  it('hands on every byte in order, in few chunks', async () => {
    const store = new SlowStore();
    store.wake();
    const writer = new BlobWriter(store.blobs, 'key');
    const pieces: string[] = [];
    for (let n = 0; n < 30_000; n += 1) {
      const piece = n % 1_000 === 0 ? 'ä'.repeat(40_000) : `piece ${n};`;
      pieces.push(piece);
      writer.write(n % 2 === 0 ? piece : Buffer.from(piece));
      await writer.room();
    }
    await writer.end();
    const whole = Buffer.concat(store.chunks);
    expect(whole.equals(Buffer.from(pieces.join('')))).toBe(true);
    expect(writer.bytes).toBe(whole.length);
    expect(store.chunks.length).toBeLessThan(150);
  });

  it('has no room while the store is behind, and has it again', async () => {
    const store = new SlowStore();
    const writer = new BlobWriter(store.blobs, 'key');
    const { written, room: wait } = fill(writer);
    expect(written).toBeLessThan(1_200_000);
    let hasRoom = false;
    const room = wait.then(() => (hasRoom = true));
    await turn();
    expect(hasRoom).toBe(false);
    store.wake();
    await room;
    await writer.end();
    expect(Buffer.concat(store.chunks)).toHaveLength(written);
  });

  it('tells a failure of the store to whoever waits for room, and to whoever ends it', async () => {
    const full = new RerankError('storage_full', 'The disk is full.');
    const store = new SlowStore();
    const writer = new BlobWriter(store.blobs, 'key');
    const { room } = fill(writer);
    store.fail(full);
    await expect(room).rejects.toBe(full);
    writer.write('more');
    await expect(writer.room()).rejects.toBe(full);
    await expect(writer.end()).rejects.toBe(full);
    await expect(writer.abandon()).resolves.toBeUndefined();
  });

  it('comes to rest when it is abandoned', async () => {
    const store = new SlowStore();
    const writer = new BlobWriter(store.blobs, 'key');
    writer.write('x');
    store.wake();
    await writer.abandon();
    expect(store.chunks).toEqual([]);
  });
});
