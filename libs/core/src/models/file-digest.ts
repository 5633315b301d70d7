import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

export interface FileDigest {
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
}

/** Reads the file once, in pieces. `onChunk` sees every piece. */
export async function digestFile(path: string, onChunk?: (chunk: Buffer) => void, signal?: AbortSignal): Promise<FileDigest> {
  const hash = createHash('sha256');
  let size = 0;
  const stream = createReadStream(path, { highWaterMark: 1 << 20, ...(signal === undefined ? {} : { signal }) });
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    hash.update(chunk);
    onChunk?.(chunk);
  }
  return { size, sha256: hash.digest('hex') };
}
