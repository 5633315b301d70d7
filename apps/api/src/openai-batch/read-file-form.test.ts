import { PassThrough, type Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { buffer } from 'node:stream/consumers';
import { RerankError } from '@rerank-fleet/core/errors';
import { describe, expect, it } from 'vitest';
import type { BodySource } from '../http/body-bytes.js';
import { readFileForm } from './read-file-form.js';

const BOUNDARY = 'b0undary';
const HEADERS = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
const field = (name: string, value: string): string =>
  `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const file = (content: string, name = 'file', filename = 'in.jsonl'): string =>
  `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"; filename="${filename}"\r\ncontent-type: application/jsonl\r\n\r\n${content}\r\n`;
const END = `--${BOUNDARY}--\r\n`;

const source = (stream: PassThrough, headers: Record<string, string> = HEADERS): BodySource => Object.assign(stream, { headers });

function body(...parts: readonly (string | Buffer)[]): BodySource {
  const stream = new PassThrough();
  for (const part of parts) stream.write(part);
  stream.end();
  return source(stream);
}

const read = (raw: BodySource, maxBytes = 1_000_000) => readFileForm(raw, { maxBytes, write: buffer });

describe('readFileForm', () => {
  it('takes fields from before and behind the file', async () => {
    const form = await read(body(field('a', 'ä'), file('one\ntwo\n', 'file', 'naïve.jsonl'), field('b', ''), END));
    expect(form).toEqual({ fields: { a: 'ä', b: '' }, filename: 'naïve.jsonl', written: Buffer.from('one\ntwo\n') });
  });

  it('hands the file on while it is still coming in, no faster than it is taken', async () => {
    const stream = new PassThrough({ highWaterMark: 1_024 });
    const taken = Promise.withResolvers<Readable>();
    const form = readFileForm(source(stream), {
      maxBytes: 1e9,
      write: (content) => {
        taken.resolve(content);
        return new Promise<number>((resolve) => content.once('end', () => resolve(1)));
      },
    });
    stream.write(file('x'.repeat(1_000)).slice(0, -2));
    const content = await taken.promise;
    for (let sent = 0; sent < 100; sent += 1) {
      stream.write(Buffer.alloc(65_536, 'x'));
      await turn();
    }
    expect(stream.writableLength + stream.readableLength).toBeGreaterThan(90 * 65_536);
    let bytes = 0;
    content.on('data', (chunk: Buffer) => (bytes += chunk.length));
    stream.end(`\r\n${END}`);
    expect((await form).written).toBe(1);
    expect(bytes).toBe(1_000 + 100 * 65_536);
  });

  it.each<[string, readonly (string | Buffer)[], string]>([
    ['no file', [field('purpose', 'batch'), END], '/file'],
    ['a file without a filename', [field('file', 'text'), END], '/file'],
    ['a file of another name', [file('x', 'document'), END], '/document'],
    ['two files', [file('x'), file('y'), END], '/file'],
    ['a file that is gzip', [file('\x1f').slice(0, -3), Buffer.from([0x1f, 0x8b, 8, 0]), `\r\n${END}`], '/file'],
    ['a field that is too long', [field('purpose', 'x'.repeat(5_000)), file('x'), END], '/purpose'],
  ])('refuses %s', async (_, parts, pointer) => {
    await expect(read(body(...parts))).rejects.toMatchObject({ code: 'invalid_request', errors: [{ pointer }] });
  });

  it.each<[string, readonly string[]]>([
    ['in the file', [field('purpose', 'batch'), file('x').slice(0, -2)]],
    ['in the head of a part', [file('x'), `--${BOUNDARY}\r\ncontent-dis`]],
    ['before the closing boundary', [file('x')]],
    ['before it began', []],
  ])('refuses a body that is cut short %s', async (_, parts) => {
    await expect(read(body(...parts))).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('refuses a body without a boundary', async () => {
    const raw = source(new PassThrough().end('x'), { 'content-type': 'multipart/form-data' });
    await expect(read(raw)).rejects.toMatchObject({ code: 'invalid_request', detail: expect.stringContaining('boundary') as string });
  });

  it('refuses more than it may take, at the crossing byte', async () => {
    const stream = new PassThrough();
    const form = read(source(stream), 10_000);
    stream.write(file('x'.repeat(20_000)));
    await expect(form).rejects.toMatchObject({ code: 'payload_too_large' });
  });

  it('fails as the store does, whatever is still to come', async () => {
    const stream = new PassThrough();
    const full = new RerankError('storage_full', 'The disk is full.');
    const form = readFileForm(source(stream), {
      maxBytes: 1e9,
      write: async (content) => {
        for await (const _ of content) throw full;
      },
    });
    stream.write(file('x'.repeat(1_000_000)));
    await expect(form).rejects.toBe(full);
  });

  it('lets the store come to rest when the connection breaks', async () => {
    const stream = new PassThrough();
    let outcome = 'open';
    const form = readFileForm(source(stream), {
      maxBytes: 1e9,
      write: async (content) => {
        outcome = await buffer(content).then(
          () => 'whole',
          () => 'failed',
        );
        throw new Error(outcome);
      },
    });
    stream.write(file('x'.repeat(100_000)).slice(0, -2));
    await turn();
    stream.destroy(new Error('gone'));
    await expect(form).rejects.toThrow('gone');
    expect(outcome).toBe('failed');
  });
});
