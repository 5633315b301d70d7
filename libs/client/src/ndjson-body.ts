import { endSource, iterate, requestBody, type RequestBody, type Source } from './request-body.js';

/** What was handed to the network so far. */
export interface UploadProgress {
  readonly documents: number;
  readonly bytes: number;
}

export type Rows = Source<unknown>;

/** Characters gathered into one chunk: few enough for smooth progress, enough to keep the calls of the network few. */
const CHUNK_CHARACTERS = 65_536;

export interface NdjsonBodyOptions {
  readonly onUpload?: ((progress: UploadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One JSON value a line. */
export function ndjsonBody(rows: Rows, { onUpload, signal }: NdjsonBodyOptions = {}): RequestBody {
  const iterator = iterate(rows);
  const encoder = new TextEncoder();
  let documents = 0;
  let bytes = 0;
  let isOver = false;
  const next = async (): Promise<Uint8Array | undefined> => {
    if (isOver) return undefined;
    const chunk = await nextChunk(iterator);
    isOver = chunk.last;
    if (chunk.rows === 0) return undefined;
    const encoded = encoder.encode(chunk.text);
    documents += chunk.rows;
    bytes += encoded.byteLength;
    onUpload?.({ documents, bytes });
    return encoded;
  };
  return requestBody({ next, end: () => endSource(iterator) }, signal);
}

export interface BytesBodyOptions {
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Lines that are written already, behind `head`. */
export function bytesBody(head: string, source: Source<Uint8Array>, { onBytes, signal }: BytesBodyOptions = {}): RequestBody {
  const iterator = iterate(source);
  let isFirst = true;
  let bytes = 0;
  const next = async (): Promise<Uint8Array | undefined> => {
    const chunk = isFirst ? new TextEncoder().encode(head) : await nextOf(iterator);
    isFirst = false;
    bytes += chunk?.byteLength ?? 0;
    onBytes?.(bytes);
    return chunk;
  };
  return requestBody({ next, end: () => endSource(iterator) }, signal);
}

async function nextOf<T>(iterator: Iterator<T> | AsyncIterator<T>): Promise<T | undefined> {
  const next = await iterator.next();
  return next.done === true ? undefined : next.value;
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
