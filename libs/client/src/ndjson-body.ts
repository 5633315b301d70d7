/** What was handed to the network so far. */
export interface UploadProgress {
  readonly documents: number;
  readonly bytes: number;
}

export type Rows = Iterable<unknown> | AsyncIterable<unknown> | ReadableStream<unknown>;

/** A request body, with the error of its source, which the runtime's network error would hide. */
export interface NdjsonBody {
  readonly stream: ReadableStream<Uint8Array>;
  /** Set when the source threw; what it threw. */
  failure(): { readonly reason: unknown } | undefined;
}

/** Characters gathered into one chunk: few enough for smooth progress, enough to keep the calls of the network few. */
const CHUNK_CHARACTERS = 65_536;

export interface NdjsonBodyOptions {
  readonly onUpload?: ((progress: UploadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One JSON value a line, read from the source no faster than the network takes it. */
export function ndjsonBody(rows: Rows, { onUpload, signal }: NdjsonBodyOptions = {}): NdjsonBody {
  const iterator = iterate(rows);
  // Not awaited: a source that waits for more input would never come to its end.
  const endSource = () => void Promise.resolve(iterator.return?.()).catch(() => undefined);
  const encoder = new TextEncoder();
  let failure: { reason: unknown } | undefined;
  let documents = 0;
  let bytes = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        // Node's fetch goes on reading a body after its call was aborted, to the end of the source.
        if (signal?.aborted === true) {
          endSource();
          controller.error(signal.reason);
          return;
        }
        try {
          const chunk = await nextChunk(iterator);
          if (chunk.rows > 0) {
            const encoded = encoder.encode(chunk.text);
            documents += chunk.rows;
            bytes += encoded.byteLength;
            controller.enqueue(encoded);
            onUpload?.({ documents, bytes });
          }
          if (chunk.last) controller.close();
        } catch (reason) {
          failure = { reason };
          controller.error(reason);
        }
      },
      cancel: endSource,
    },
    { highWaterMark: 0 },
  );
  return { stream, failure: () => failure };
}

async function nextChunk(iterator: Iterator<unknown> | AsyncIterator<unknown>): Promise<{ text: string; rows: number; last: boolean }> {
  let text = '';
  let rows = 0;
  while (text.length < CHUNK_CHARACTERS) {
    const next = await iterator.next();
    if (next.done === true) return { text, rows, last: true };
    text += `${JSON.stringify(next.value)}\n`;
    rows += 1;
  }
  return { text, rows, last: false };
}

function iterate(rows: Rows): Iterator<unknown> | AsyncIterator<unknown> {
  if (Symbol.iterator in rows) return rows[Symbol.iterator]();
  if (Symbol.asyncIterator in rows) return rows[Symbol.asyncIterator]();
  return readAll(rows);
}

/** Safari's streams are no async iterables. */
async function* readAll(stream: ReadableStream<unknown>): AsyncGenerator {
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
