/** A request body, with the error of its source, which the runtime's network error would hide. */
export interface RequestBody {
  readonly stream: ReadableStream<Uint8Array>;
  /** Set when the source threw; what it threw. */
  failure(): { readonly reason: unknown } | undefined;
}

/** Where the bytes of a body come from. */
export interface ByteChunks {
  /** The next chunk, which may be empty; undefined at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** Nobody will ask for more. */
  end(): void;
}

/** A body that is read from its source no faster than the network takes it. */
export function requestBody(chunks: ByteChunks, signal: AbortSignal | undefined): RequestBody {
  let failure: { reason: unknown } | undefined;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        // Node's fetch goes on reading a body after its call was aborted, to the end of the source.
        if (signal?.aborted === true) {
          chunks.end();
          controller.error(signal.reason);
          return;
        }
        try {
          const chunk = await nextWithBytes(chunks);
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        } catch (reason) {
          failure = { reason };
          controller.error(reason);
        }
      },
      cancel: () => chunks.end(),
    },
    { highWaterMark: 0 },
  );
  return { stream, failure: () => failure };
}

/** A pull that enqueues nothing would never be repeated. */
async function nextWithBytes(chunks: ByteChunks): Promise<Uint8Array | undefined> {
  for (;;) {
    const chunk = await chunks.next();
    if (chunk === undefined || chunk.byteLength > 0) return chunk;
  }
}

export type Source<T> = Iterable<T> | AsyncIterable<T> | ReadableStream<T>;

export function iterate<T>(source: Source<T>): Iterator<T> | AsyncIterator<T> {
  if (Symbol.iterator in source) return source[Symbol.iterator]();
  if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
  return readAll(source);
}

/** Not awaited: a source that waits for more input would never come to its end. */
export function endSource(iterator: Iterator<unknown> | AsyncIterator<unknown>): void {
  void Promise.resolve(iterator.return?.()).catch(() => undefined);
}

/** Safari's streams are no async iterables. */
export async function* readAll<T>(stream: ReadableStream<T>): AsyncGenerator<T, void, undefined> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel();
  }
}

/** Browsers stream a request body over HTTP/2 only, or not at all. */
export function runtimeStreamsUploads(): boolean {
  return !('document' in globalThis) && !('importScripts' in globalThis);
}

/** The whole stream in one body that any runtime can send. */
export async function gather(stream: ReadableStream<Uint8Array>): Promise<Blob> {
  return await new Response(stream).blob();
}
