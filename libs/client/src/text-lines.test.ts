import { describe, expect, it } from 'vitest';
import { wholeLines } from './text-lines.js';

async function* inChunks(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function linesOf(chunks: AsyncIterable<Uint8Array>, cutOff?: () => Error): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of wholeLines(chunks, cutOff)) lines.push(line);
  return lines;
}

describe('wholeLines', () => {
  it.each([1, 2, 3, 7, 100])('joins what chunks of %d bytes cut, characters included', async (size) => {
    expect(await linesOf(inChunks('{"a":"é😀"}\n\r\n\nlast, long enough\r\n', size))).toEqual(['{"a":"é😀"}', '', '', 'last, long enough']);
  });

  it('gives no line that has no end, and throws it where that matters', async () => {
    expect(await linesOf(inChunks('one\ntw', 4))).toEqual(['one']);
    await expect(linesOf(inChunks('one\ntw', 4), () => new Error('cut off'))).rejects.toThrow('cut off');
    expect(await linesOf(inChunks('one\n', 4), () => new Error('cut off'))).toEqual(['one']);
  });
});
