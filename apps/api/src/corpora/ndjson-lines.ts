/** One line of an NDJSON body. */
export interface NdjsonLine {
  /** Counts from 1, blank lines included. */
  readonly line: number;
  /** Without its line ending; undefined if it was longer than allowed. */
  readonly bytes: Buffer | undefined;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Cuts a stream of bytes into lines, holding at most `maxLineBytes` and one chunk, whatever the body's length. Blank lines are left
 * out; the last line needs no line ending. It reads on only when the consumer asks for more.
 */
export async function* ndjsonLines(chunks: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator<NdjsonLine, void, undefined> {
  let line = 1;
  let held: Buffer[] = [];
  let heldBytes = 0;
  let tooLong = false;

  const hold = (part: Buffer): void => {
    heldBytes += part.length;
    // One byte more for a carriage return that is no part of the line.
    if (heldBytes > maxLineBytes + 1) {
      tooLong = true;
      held = [];
    } else if (part.length > 0) {
      held.push(part);
    }
  };
  const finish = (): NdjsonLine | undefined => {
    const bytes = tooLong ? undefined : trim(Buffer.concat(held), line === 1);
    const whole = bytes === undefined || bytes.length > maxLineBytes ? { line, bytes: undefined } : { line, bytes };
    held = [];
    heldBytes = 0;
    tooLong = false;
    line += 1;
    return whole.bytes === undefined || !isBlank(whole.bytes) ? whole : undefined;
  };

  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      hold(bytes.subarray(start, end));
      start = end + 1;
      const whole = finish();
      if (whole !== undefined) yield whole;
    }
    hold(bytes.subarray(start));
  }
  if (heldBytes > 0) {
    const whole = finish();
    if (whole !== undefined) yield whole;
  }
}

function trim(bytes: Buffer, isFirst: boolean): Buffer {
  const start = isFirst && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  return bytes.subarray(start, bytes.at(-1) === RETURN ? -1 : undefined);
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === RETURN);
}
