import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLines, type Line } from './read-lines.js';

async function linesOf(bytes: Uint8Array, chunkSize = Infinity, maxLineBytes?: number): Promise<Line[]> {
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkSize) yield bytes.subarray(at, at + Math.min(chunkSize, bytes.length));
  }
  const lines: Line[] = [];
  for await (const line of readLines(chunks(), maxLineBytes)) lines.push(line);
  return lines;
}

const utf8 = (text: string) => Buffer.from(text);

describe('readLines', () => {
  it('counts blank lines and leaves them out, with any line end, byte order mark or none', async () => {
    expect(await linesOf(utf8('\uFEFFa\r\n\n  \nb\n\nc'))).toEqual([
      { number: 1, text: 'a\r' },
      { number: 4, text: 'b' },
      { number: 6, text: 'c' },
    ]);
  });

  it('keeps U+2028 inside a line: JSON may hold it', async () => {
    expect(await linesOf(utf8('"a\u2028b"\n'))).toEqual([{ number: 1, text: '"a\u2028b"' }]);
  });

  it('names a line that is not UTF-8 and reads on', async () => {
    const bytes = Buffer.concat([utf8('a\n'), Buffer.from([0xff, 0xfe]), utf8('\nb\n')]);
    expect(await linesOf(bytes)).toEqual([
      { number: 1, text: 'a' },
      { number: 2, fault: 'is not UTF-8' },
      { number: 3, text: 'b' },
    ]);
  });

  it('names a line that is too long and reads on', async () => {
    expect(await linesOf(utf8(`${'x'.repeat(50)}\nb`), 7, 10)).toEqual([
      { number: 1, fault: 'is longer than 10 bytes' },
      { number: 2, text: 'b' },
    ]);
  });

  it('gives the same lines however the bytes are cut', async () => {
    const text = fc.array(fc.string({ unit: 'grapheme', maxLength: 12 })).map((lines) => utf8(lines.join('\n')));
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), async (bytes, size) => {
        expect(await linesOf(bytes, size)).toEqual(await linesOf(bytes));
      }),
    );
  });
});
