import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CliError } from '../exit-code.js';

/** Bytes of a file or of stdin, unpacked where they are gzip. */
export interface ByteSource {
  /** Bytes before unpacking. */
  readonly bytesRead: () => number;
  chunks(): AsyncIterable<Uint8Array>;
}

export function openBytes(path: string | undefined, name: string): ByteSource {
  const input: Readable = path === undefined ? process.stdin : createReadStream(path, { highWaterMark: 262_144 });
  let read = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of input as AsyncIterable<Uint8Array>) {
      read += chunk.length;
      yield chunk;
    }
  }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const raw = counted();
    const first = await firstBytes(raw);
    const all = prepend(first, raw);
    yield* isGzip(first) ? unpack(all, name) : all;
  }
  return { bytesRead: () => read, chunks };
}

/** By the bytes, not by the name: gzip arrives on stdin as well. */
function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Two bytes at least, where there are two. */
async function firstBytes(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let first: Uint8Array = Buffer.alloc(0);
  while (first.length < 2) {
    const next = await chunks.next();
    if (next.done === true) break;
    first = Buffer.concat([first, next.value]);
  }
  return first;
}

async function* prepend(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  yield* rest;
}

async function* unpack(packed: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const { Readable: ReadableStream } = await import('node:stream');
  const source = ReadableStream.from(packed);
  const gunzip = createGunzip({ chunkSize: 262_144 });
  source.on('error', (error) => gunzip.destroy(error));
  try {
    for await (const chunk of source.pipe(gunzip) as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (typeof code === 'string' && code.startsWith('Z_')) throw new CliError(`${name} is not whole gzip data (${code}).`);
    throw error;
  } finally {
    source.destroy();
  }
}
