import { RerankError } from '@rerank-fleet/core/errors';
import type { IncomingMessage } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { letBodyCome } from './expect-continue.js';

/** Most of a refused body that is still read, so that the client, which is sending, comes to read the answer. */
const MAX_DISCARDED_BYTES = 256 * 1024 * 1024;

/** A request as its body is read; Fastify's own injected requests are none of Node's class. */
export type BodySource = Pick<IncomingMessage, 'headers' | 'iterator'>;

export interface BodyBytesOptions {
  /** Most bytes, also after unpacking. */
  readonly maxBytes: number;
  /** Says what to do instead of sending so much. */
  readonly advice: string;
}

/**
 * The body, unpacked, chunk by chunk, as fast as the consumer takes it. Leaving the loop early does not close the connection: the
 * answer still has to go out.
 *
 * @throws RerankError `payload_too_large`, `unsupported_media_type` (content encoding), `invalid_request` (damaged gzip)
 */
export async function* bodyBytes(raw: BodySource, options: BodyBytesOptions): AsyncGenerator<Buffer, void, undefined> {
  const encoding = (raw.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (!['identity', 'gzip', 'x-gzip'].includes(encoding)) {
    throw new RerankError('unsupported_media_type', 'Only gzip is understood as a content encoding.');
  }
  if (Number(raw.headers['content-length'] ?? 0) > options.maxBytes) throw tooLarge(options);
  yield* atMost(encoding === 'identity' ? received(raw) : unpacked(raw), options);
}

/** Reads and forgets what a client still sends of a body that was refused. */
export function discardRest(raw: IncomingMessage): void {
  if (raw.complete || raw.destroyed) return;
  let left = MAX_DISCARDED_BYTES;
  raw.on('error', () => undefined);
  raw.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) raw.destroy();
  });
}

async function* received(raw: BodySource): AsyncGenerator<Buffer, void, undefined> {
  letBodyCome(raw);
  for await (const chunk of raw.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
}

async function* unpacked(raw: BodySource): AsyncGenerator<Buffer, void, undefined> {
  const gunzip = createGunzip();
  // Both ends report faults through the loop below; a callback keeps pipeline from throwing them again.
  pipeline(Readable.from(received(raw), { objectMode: false }), gunzip, () => undefined);
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) {
      throw new RerankError('invalid_request', 'The body is not valid gzip, or it was cut short.', { cause: error });
    }
    throw error;
  } finally {
    gunzip.destroy();
  }
}

async function* atMost(chunks: AsyncIterable<Buffer>, options: BodyBytesOptions): AsyncGenerator<Buffer, void, undefined> {
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > options.maxBytes) throw tooLarge(options);
    yield chunk;
  }
}

function tooLarge({ maxBytes, advice }: BodyBytesOptions): RerankError {
  return new RerankError('payload_too_large', `The body has more than ${maxBytes} bytes. ${advice}`);
}
