import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ndjsonLines } from './ndjson-lines.js';

async function* chunksOf(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
  const positions = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  for (const [place, start] of positions.entries()) yield bytes.subarray(start, positions[place + 1] ?? bytes.length);
}

async function linesOf(
  bytes: Buffer,
  cuts: readonly number[] = [],
  maxLineBytes = 1_000,
): Promise<(readonly [number, string | undefined])[]> {
  const lines: (readonly [number, string | undefined])[] = [];
  for await (const { line, bytes: text } of ndjsonLines(chunksOf(bytes, cuts), maxLineBytes)) lines.push([line, text?.toString('latin1')]);
  return lines;
}

describe('ndjsonLines', () => {
  it('counts lines from 1 and leaves blank ones out', async () => {
    expect(await linesOf(Buffer.from('a\n\n  \nb\r\nc'))).toEqual([
      [1, 'a'],
      [4, 'b'],
      [5, 'c'],
    ]);
  });

  it('leaves a byte order mark out, once', async () => {
    expect(await linesOf(Buffer.from('\ufeff{}\n{}'), [1, 2])).toEqual([
      [1, '{}'],
      [2, '{}'],
    ]);
  });

  it('yields nothing of an empty body', async () => {
    expect(await linesOf(Buffer.alloc(0))).toEqual([]);
    expect(await linesOf(Buffer.from('\r\n\n'))).toEqual([]);
  });

  it('says that a line is too long and goes on after it', async () => {
    const body = Buffer.from(`ok\n${'x'.repeat(11)}\n${'y'.repeat(10)}\r\nend`);
    const expected = [
      [1, 'ok'],
      [2, undefined],
      [3, 'y'.repeat(10)],
      [4, 'end'],
    ];
    expect(await linesOf(body, [], 10)).toEqual(expected);
    expect(
      await linesOf(
        body,
        Array.from({ length: body.length }, (_, at) => at),
        10,
      ),
    ).toEqual(expected);
  });

  it('finds the same lines wherever the chunks end', async () => {
    const line = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0x0a ? 0x0b : byte))));
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        fc.integer({ min: 1, max: 12 }),
        async (lines, cuts, max) => {
          const body = Buffer.concat(lines.flatMap((bytes) => [bytes, Buffer.from('\n')]));
          expect(await linesOf(body, cuts, max)).toEqual(await linesOf(body, [], max));
        },
      ),
    );
  });

  it('gives each line back whole', async () => {
    const line = fc.string({ minLength: 1, unit: 'grapheme-ascii' }).filter((text) => text.trim() !== '');
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 20 }), async (lines, cuts) => {
        const found = await linesOf(Buffer.from(lines.join('\n')), cuts);
        expect(found.map(([, text]) => text)).toEqual(lines);
      }),
    );
  });

  it('reads no further than it is asked to', async () => {
    let read = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        read += 1;
        yield Buffer.from('{}\n');
      }
    }
    const lines = ndjsonLines(endless(), 10);
    await lines.next();
    await lines.next();
    expect(read).toBe(2);
    await lines.return();
  });
});
