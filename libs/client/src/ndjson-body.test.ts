import { describe, expect, it } from 'vitest';
import { ndjsonBody } from './ndjson-body.js';

const textOf = (stream: ReadableStream<Uint8Array>) => new Response(stream).text();

describe('ndjsonBody', () => {
  it('writes one line a value, text with line breaks included', async () => {
    expect(await textOf(ndjsonBody([{ text: 'a\nb' }, { text: 'ü' }]).stream)).toBe('{"text":"a\\nb"}\n{"text":"ü"}\n');
  });

  it('is empty for no values', async () => {
    expect(await textOf(ndjsonBody([]).stream)).toBe('');
  });

  it('reads async sources and streams, and counts documents and bytes to the end', async () => {
    const rows = Array.from({ length: 3_000 }, (_, row) => ({ text: `document ${row} ${'é'.repeat(40)}` }));
    async function* source() {
      yield* rows;
    }
    for (const make of [source, () => ReadableStream.from(source())]) {
      const seen: { documents: number; bytes: number }[] = [];
      const text = await textOf(ndjsonBody(make(), { onUpload: (progress) => seen.push(progress) }).stream);
      expect(text.trimEnd().split('\n')).toHaveLength(3_000);
      expect(seen.length).toBeGreaterThan(1);
      expect(seen.at(-1)).toEqual({ documents: 3_000, bytes: new TextEncoder().encode(text).byteLength });
    }
  });

  it('reads nothing before it is asked to, and no further than it is asked to', async () => {
    let read = 0;
    function* source() {
      for (;;) {
        read += 1;
        yield { text: 'x'.repeat(10_000) };
      }
    }
    const reader = ndjsonBody(source()).stream.getReader();
    expect(read).toBe(0);
    await reader.read();
    expect(read).toBeLessThan(10);
    await reader.cancel();
  });

  it('keeps the error of its source, and ends the source when the body is no longer wanted', async () => {
    const lost = new Error('disk gone');
    async function* failing() {
      yield 1;
      throw lost;
    }
    const body = ndjsonBody(failing());
    await expect(textOf(body.stream)).rejects.toThrow();
    expect(body.failure()?.reason).toBe(lost);

    let ended = false;
    async function* endless() {
      try {
        for (;;) yield 'x'.repeat(70_000);
      } finally {
        ended = true;
      }
    }
    const { stream } = ndjsonBody(endless());
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel();
    await expect.poll(() => ended).toBe(true);
  });
});
