import { describe, expect, it } from 'vitest';
import { readDocuments, readPasted } from './read-documents.js';

async function all(documents: AsyncIterable<unknown>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const document of documents) found.push(document);
  return found;
}

const read = (text: string): Promise<unknown[]> => all(readDocuments(new Blob([text])));
const pasted = (text: string): Promise<unknown[]> => all(readPasted(text));

describe(readDocuments, () => {
  it.each([
    ['lines', '{"id":"a","text":"A"}\n\n{"text":"B"}'],
    ['lines that end as on Windows', '{"id":"a","text":"A"}\r\n{"text":"B"}\r\n'],
    ['an array', '  [{"id":"a","text":"A"},\n{"text":"B"}]'],
    ['the body of an upload', '{"documents":[{"id":"a","text":"A"},{"text":"B"}]}'],
    ['the same over many lines', '{\n  "documents": [\n    {"id":"a","text":"A"},\n    {"text":"B"}\n  ]\n}\n'],
    ['the same, broken elsewhere', '{"documents": [\n{"id":"a","text":"A"}, {"text":"B"}]}'],
  ])('takes %s', async (_form, text) => {
    expect(await read(text)).toEqual([{ id: 'a', text: 'A' }, { text: 'B' }]);
  });

  it('takes one document over many lines', async () => {
    expect(await read('{\n  "text": "A"\n}')).toEqual([{ text: 'A' }]);
  });

  it('takes texts alone', async () => {
    expect(await read('"A"\n"B"')).toEqual([{ text: 'A' }, { text: 'B' }]);
  });

  it('gives what comes before a bad line, then names the line', async () => {
    const documents = readDocuments(new Blob(['{"text":"A"}\n{"text":']));
    expect((await documents.next()).value).toEqual({ text: 'A' });
    await expect(documents.next()).rejects.toThrow('Line 2 is not JSON.');
  });

  it.each([
    ['12', 'Line 1 is neither an object nor a text.'],
    ['[1]', 'Document 1 is neither an object nor a text.'],
    ['[{"text":', 'The file is not JSON.'],
  ])('refuses %s', async (text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });

  it('keeps characters whole that lie on the border of two chunks', async () => {
    const text = '🍎'.repeat(50_000);
    expect(await read(`${JSON.stringify({ text })}\n`)).toEqual([{ text }]);
  });
});

describe(readPasted, () => {
  it('takes paragraphs as documents', async () => {
    expect(await pasted('one\ntwo\n\n \n three \n')).toEqual([{ text: 'one\ntwo' }, { text: 'three' }]);
  });

  it('takes JSON as a file of it', async () => {
    expect(await pasted(' {"text":"A"}\n{"text":"B"}')).toEqual([{ text: 'A' }, { text: 'B' }]);
  });
});
