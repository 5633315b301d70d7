import type { BatchEndpoint } from '@rerank-fleet/core/contracts';
import { describe, expect, it } from 'vitest';
import { batchLines, EmptyFileError } from './batch-lines.js';

async function read(text: string | Buffer, endpoint: BatchEndpoint = '/v1/rerank', maxLineBytes = 200) {
  async function* content(): AsyncGenerator<Buffer> {
    yield Buffer.from(text);
  }
  const rows = [];
  const options = { endpoint, maxLineBytes, signal: new AbortController().signal };
  for await (const row of batchLines(content(), options)) rows.push(row);
  return rows;
}

const line = (more: object = {}): string =>
  JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/rerank', body: { query: 'q', documents: ['d'] }, ...more });

describe('batchLines', () => {
  it('makes a row of a job of each line, counted as in the file', async () => {
    const value = { query: 'q', documents: ['d'], custom_id: 'a' };
    expect(await read(`\n${line()}\n\n${line({ custom_id: 'b' })}`)).toEqual([
      { row: 2, json: JSON.stringify(value), value },
      { row: 4, json: expect.any(String) as string, value: { ...value, custom_id: 'b' } },
    ]);
  });

  it('leaves out null and what is not known, and takes the id from the line alone', async () => {
    const body = { query: 'q', documents: ['d'], top_n: null, user: 'u', custom_id: 'mine' };
    expect(await read(line({ body }))).toMatchObject([{ value: { query: 'q', documents: ['d'], custom_id: 'a' } }]);
    const [row] = await read(line({ body }));
    expect(Object.keys(row && 'value' in row ? (row.value as object) : {})).toEqual(['query', 'documents', 'custom_id']);
  });

  it.each<[string, string | Buffer, string]>([
    ['that is no JSON', '{"custom_id":', ''],
    ['that is not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), ''],
    ['that is no object', '[]', ''],
    ['with another method', line({ method: 'GET' }), '/method'],
    ['with another url', line({ url: '/v1/search' }), '/url'],
    ['without a body', line({ body: undefined }), '/body'],
    ['whose body is no object', line({ body: [] }), '/body'],
    ['that reranks nothing', line({ body: { query: 'q', corpus: 'c' } }), '/body/documents'],
    ['that is too long', line({ body: { query: 'q'.repeat(300), documents: ['d'] } }), ''],
  ])('refuses a line %s', async (_, text, pointer) => {
    const [row] = await read(text);
    expect(row).toMatchObject({ row: 1, error: { errors: pointer === '' ? [] : [{ pointer }] } });
  });

  it('refuses documents in a search, which would make it a rerank', async () => {
    const search = (body: object): string => line({ url: '/v1/search', body });
    expect(await read(search({ query: 'q', corpus: 'c' }), '/v1/search')).toMatchObject([{ value: { query: 'q', corpus: 'c' } }]);
    expect(await read(search({ query: 'q', documents: ['d'] }), '/v1/search')).toMatchObject([
      { customId: 'a', error: { errors: [{ pointer: '/body/documents' }] } },
    ]);
  });

  it('says of a file without lines that it is empty', async () => {
    await expect(read('\n \n')).rejects.toBeInstanceOf(EmptyFileError);
  });
});
