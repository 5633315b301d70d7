import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { bodyBytes } from './body-bytes.js';

function message(body: Iterable<Buffer>, headers: Record<string, string> = {}): IncomingMessage {
  return Object.assign(Readable.from(body, { objectMode: false }), { headers }) as unknown as IncomingMessage;
}

async function read(raw: IncomingMessage, maxBytes = 1_000): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of bodyBytes(raw, { maxBytes, advice: 'Less.' })) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const GZIP = { 'content-encoding': 'gzip' };

describe('bodyBytes', () => {
  it('hands bytes on as they come', async () => {
    expect(await read(message([Buffer.from('ab'), Buffer.from('c')]))).toBe('abc');
  });

  it('unpacks gzip', async () => {
    expect(await read(message([gzipSync('hello')], GZIP))).toBe('hello');
  });

  it('counts what gzip unpacks to, not what was sent', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    expect(bomb.length).toBeLessThan(20_000);
    await expect(read(message([bomb], GZIP), 100_000)).rejects.toMatchObject({ code: 'payload_too_large' });
  });

  it('refuses by the stated length before it reads', async () => {
    const raw = message([Buffer.from('abc')], { 'content-length': '2000' });
    await expect(read(raw)).rejects.toMatchObject({ code: 'payload_too_large' });
    expect(raw.readableFlowing).toBeNull();
  });

  it('stops at the limit where no length is stated, and leaves the connection open', async () => {
    const raw = message([Buffer.alloc(600), Buffer.alloc(600)]);
    await expect(read(raw)).rejects.toMatchObject({ code: 'payload_too_large', detail: 'The body has more than 1000 bytes. Less.' });
    expect(raw.destroyed).toBe(false);
  });

  it('takes a body of exactly the limit', async () => {
    expect(await read(message([Buffer.alloc(1_000, 'a')]))).toHaveLength(1_000);
  });

  it.each([gzipSync('hello world, hello').subarray(0, 15), Buffer.from('plain')])(
    'says that gzip is damaged or cut short: %#',
    async (body) => {
      await expect(read(message([body], GZIP))).rejects.toMatchObject({ code: 'invalid_request' });
    },
  );

  it('refuses other encodings', async () => {
    await expect(read(message([Buffer.from('a')], { 'content-encoding': 'br' }))).rejects.toMatchObject({ code: 'unsupported_media_type' });
  });
});
