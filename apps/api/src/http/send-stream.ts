import { pipeline, Readable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import type { FastifyReply } from 'fastify';

export interface StreamOptions {
  readonly type: string;
  /** How long the client may leave what was sent unread. */
  readonly idleMs: number;
  /** Of the request; gzip is used where it allows it. Absent: never packed. */
  readonly acceptEncoding?: string | undefined;
  /** Chunks are sent on at once, as somebody waits for each. */
  readonly live?: boolean;
  /** A fault after which the connection was cut, as the status was sent already. */
  readonly onFault: (error: unknown) => void;
  /** The client left, or did not read on. */
  readonly onLeft?: () => void;
}

/** A `Readable` holds something from its beginning, as an open file; a generator from its first chunk. */
export type StreamSource = AsyncGenerator<Buffer | string, void, undefined> | Readable;

/**
 * Answers with chunks as they come, no faster than the client reads: nothing but a few chunks is in memory. A client that leaves, or does not read on, ends the source,
 * which frees what it holds, also where nothing was read of it.
 */
export function sendStream(reply: FastifyReply, source: StreamSource, options: StreamOptions): void {
  const packed = options.acceptEncoding !== undefined && takesGzip(options.acceptEncoding);
  void reply.headers({
    'content-type': options.type,
    'cache-control': 'no-store',
    // Proxies that gather answers would hold back what is there.
    'x-accel-buffering': 'no',
    ...(options.acceptEncoding === undefined ? {} : { vary: 'accept-encoding' }),
    ...(packed ? { 'content-encoding': 'gzip' } : {}),
  });
  reply.hijack();
  const { raw } = reply;
  if (raw.destroyed) {
    end(source);
    options.onLeft?.();
    return;
  }
  raw.writeHead(200, reply.getHeaders() as Record<string, string>);
  if (reply.request.method === 'HEAD') {
    raw.end();
    end(source);
    return;
  }
  raw.flushHeaders();
  const body = Readable.from(
    readInTime<Buffer | string>(source, options.idleMs, () => raw.destroy()),
    { objectMode: false },
  );
  const over = (error: NodeJS.ErrnoException | null): void => {
    if (error === null || error === undefined) return;
    end(source);
    if (hasLeft(error)) options.onLeft?.();
    else options.onFault(error);
  };
  if (packed)
    pipeline(
      body,
      createGzip({ level: constants.Z_BEST_SPEED, flush: options.live === true ? constants.Z_SYNC_FLUSH : constants.Z_NO_FLUSH }),
      raw,
      over,
    );
  else pipeline(body, raw, over);
}

function end(source: StreamSource): void {
  if (source instanceof Readable) source.destroy();
  else void source.return().catch(() => undefined);
}

function hasLeft({ name, code }: NodeJS.ErrnoException): boolean {
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE' || name === 'AbortError';
}

async function* readInTime<T>(source: AsyncIterable<T>, idleMs: number, onStuck: () => void): AsyncGenerator<T, void, undefined> {
  for await (const chunk of source) {
    const timer = setTimeout(onStuck, idleMs);
    try {
      yield chunk;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** RFC 9110, 12.5.3: `gzip`, or any, with a weight that is not 0. */
export function takesGzip(acceptEncoding: string): boolean {
  const weights = new Map(
    acceptEncoding.split(',').map((item): [string, number] => {
      const [coding = '', ...parameters] = item
        .toLowerCase()
        .split(';')
        .map((part) => part.trim());
      const weight = parameters.find((parameter) => parameter.startsWith('q='));
      return [coding, weight === undefined ? 1 : Number(weight.slice(2))];
    }),
  );
  return (weights.get('gzip') ?? weights.get('x-gzip') ?? weights.get('*') ?? 0) > 0;
}
