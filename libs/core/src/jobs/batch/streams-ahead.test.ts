import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { StreamsAhead } from './streams-ahead.js';

function opener() {
  const opened: Readable[] = [];
  const open = async (item: number): Promise<Readable> => {
    const stream = item === 3 ? new Readable({ read: () => stream.destroy(new Error('broken')) }) : Readable.from([`item ${item}`]);
    opened.push(stream);
    return stream;
  };
  return { opened, open };
}

describe('StreamsAhead', () => {
  it('gives each stream in its turn, with a few more open', async () => {
    const { opened, open } = opener();
    const streams = new StreamsAhead([0, 1, 2, 4, 5, 6, 7, 8], open);
    for (const [turn, item] of [0, 1, 2, 4, 5, 6, 7, 8].entries()) {
      const stream = await streams.take(item);
      expect(opened.length).toBe(Math.min(8, turn + 5));
      expect(await text(stream!)).toBe(`item ${item}`);
    }
  });

  it('tells of a fault only to whoever takes the stream', async () => {
    const { open } = opener();
    const streams = new StreamsAhead([0, 3], open);
    expect(await text((await streams.take(0))!)).toBe('item 0');
    const broken = (await streams.take(3))!;
    await expect(text(broken)).rejects.toThrow('broken');
    const refused = new StreamsAhead([0, 1], (item) => (item === 1 ? Promise.reject(new Error('away')) : open(item)));
    await refused.take(0);
    await expect(refused.take(1)).rejects.toThrow('away');
  });

  it('frees what nobody took', async () => {
    const { opened, open } = opener();
    const streams = new StreamsAhead([0, 1, 2], open);
    await streams.take(0);
    streams.close();
    await expect.poll(() => opened.map(({ destroyed }) => destroyed)).toEqual([false, true, true]);
  });
});
