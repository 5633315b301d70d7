import { describe, expect, it } from 'vitest';
import { derivedId, readDocuments, type DocumentRow } from './read-documents.js';

async function read(body: string | Buffer, maxLineBytes = 10_000): Promise<DocumentRow[]> {
  const rows: DocumentRow[] = [];
  async function* chunks(): AsyncGenerator<Buffer> {
    yield Buffer.from(body as string);
  }
  for await (const row of readDocuments(chunks(), maxLineBytes)) rows.push(row);
  return rows;
}

describe('readDocuments', () => {
  it('reads documents with their line', async () => {
    expect(await read('{"id":"a","text":"one","title":"t","metadata":{"n":1}}\n\n{"id":"b","text":"two"}')).toEqual([
      { row: { line: 1, document: { id: 'a', text: 'one', title: 't', metadata: { n: 1 } } } },
      { row: { line: 3, document: { id: 'b', text: 'two' } } },
    ]);
  });

  it.each([
    ['{"text":', 'not valid JSON: line 1, column 9'],
    ['{"text":""}', '/text: must not be empty'],
    ['{"text":"a","extra":1}', '/extra: is not a known field'],
    ['[]', 'must be an object'],
    ['{"text":"a\\u0000b"}', 'NUL'],
    ['{"text":"\\ud800"}', 'surrogate'],
    ['{"text":"a","metadata":{"x":"\\udc00"}}', '/metadata/x'],
    [Buffer.concat([Buffer.from('{"text":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]), 'UTF-8'],
    [`{"text":"a","metadata":{"x":${'['.repeat(5_000)}${']'.repeat(5_000)}}}`, '64 levels'],
  ])('rejects the row, and says why: %#', async (line, why) => {
    const rows = await read(Buffer.concat([Buffer.from(line as string), Buffer.from('\n{"id":"b","text":"good"}')]), 20_000);
    expect(rows).toEqual([
      {
        rejection: expect.objectContaining({ line: 1, code: 'invalid_request', detail: expect.stringContaining(why) as string }) as object,
      },
      { row: { line: 2, document: { id: 'b', text: 'good' } } },
    ]);
  });

  it('bounds the line', async () => {
    const [row] = await read(`{"text":"${'a'.repeat(200)}"}`, 100);
    expect(row).toEqual({ rejection: { line: 1, code: 'payload_too_large', detail: 'The line has more than 100 bytes.' } });
  });

  it('names the document of a bad row where it says its id', async () => {
    expect(await read('{"id":"x1","text":5}')).toEqual([
      { rejection: { line: 1, documentId: 'x1', code: 'invalid_request', detail: '/text: must be a string.' } },
    ]);
  });
});

describe('derivedId', () => {
  it('is the same for the same title and text, and another for another split', () => {
    expect(derivedId(undefined, 'text')).toBe(derivedId('', 'text'));
    expect(derivedId('a', 'b')).not.toBe(derivedId('', 'ab'));
    expect(derivedId('title', 'text')).toBe('3b54075ce7ad49222b4a2b89ffa40810');
  });
});
