import type { Readable } from 'node:stream';

const NEWLINE = 10;

/** Lines of a stream without their newlines, as many at once as a chunk brought to their end. Leaving early destroys the stream. */
export async function* lineBatches(stream: Readable): AsyncGenerator<Buffer[], void, undefined> {
  let begun: Buffer[] = [];
  for await (const chunk of stream) {
    const bytes = chunk as Buffer;
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      const line = bytes.subarray(start, end);
      lines.push(begun.length === 0 ? line : Buffer.concat([...begun, line]));
      begun = [];
      start = end + 1;
    }
    if (start < bytes.length) begun.push(bytes.subarray(start));
    if (lines.length > 0) yield lines;
  }
  if (begun.length > 0) yield [Buffer.concat(begun)];
}
