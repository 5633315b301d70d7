/** A line, counted from 1, without its end; or why it is not text. */
export type Line =
  | { readonly number: number; readonly text: string; readonly fault?: never }
  | { readonly number: number; readonly fault: string; readonly text?: never };

const LINE_FEED = 0x0a;
/** Longer than any document that the service takes. */
const MAX_LINE_BYTES = 64 * 1_024 * 1_024;

/**
 * Lines of UTF-8 bytes, ended by LF or CRLF only: JSON may hold U+2028, which is a line end elsewhere. A byte order mark is left out, and
 * so are blank lines, though they count. A line that is not UTF-8 or too long is a fault; the lines after it are read.
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>, maxLineBytes = MAX_LINE_BYTES): AsyncGenerator<Line> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let number = 1;
  const take = (): Line | undefined => {
    const line =
      bytes > maxLineBytes ? { number, fault: `is longer than ${maxLineBytes.toLocaleString('en')} bytes` } : decode(parts, number);
    parts = [];
    bytes = 0;
    number += 1;
    return line.text?.trim() === '' ? undefined : line;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      add(chunk.subarray(start, end));
      start = end + 1;
      const line = take();
      if (line !== undefined) yield line;
    }
    add(chunk.subarray(start));
  }
  if (bytes > 0) {
    const line = take();
    if (line !== undefined) yield line;
  }

  function add(part: Uint8Array): void {
    bytes += part.length;
    // What is too long is not kept.
    if (bytes <= maxLineBytes) parts.push(part);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(parts: readonly Uint8Array[], number: number): Line {
  try {
    const text = utf8.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts));
    return { number, text: number === 1 ? text.replace(/^\uFEFF/, '') : text };
  } catch {
    return { number, fault: 'is not UTF-8' };
  }
}
