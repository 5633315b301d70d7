import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.js';
import { DOCUMENTS, LONG_DOCUMENT, ORDER, QUERY } from './apple-trees.js';

interface Scored {
  readonly index: number;
  readonly score: number;
  readonly text?: string;
}

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.stop());

const post = async (path: string, body: object): Promise<{ readonly status: number; readonly body: unknown }> => {
  const response = await fetch(`${stack.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
};

describe('a client of Text Embeddings Inference', () => {
  it('asks what it talks to', async () => {
    const info = (await (await fetch(`${stack.url}/info`)).json()) as object;
    expect(info).toMatchObject({ model_id: 'ms-marco-MiniLM-L-12-v2', model_dtype: 'int8', max_input_length: 512, auto_truncate: true });
    expect(info).toHaveProperty('model_type.reranker');
  });

  it('ranks texts', async () => {
    const { status, body } = await post('/rerank', { query: QUERY, texts: DOCUMENTS, truncate: true, return_text: true });
    const ranks = body as Scored[];
    expect(status).toBe(200);
    expect(ranks.map(({ index }) => index)).toEqual(ORDER);
    expect(ranks[0]).toEqual({ index: 1, score: expect.closeTo(1, 1) as number, text: DOCUMENTS[1] });
  });

  it('gets logits for raw scores', async () => {
    const ranks = (await post('/rerank', { query: QUERY, texts: DOCUMENTS, raw_scores: true })).body as Scored[];
    expect(ranks[0]!.score).toBeGreaterThan(2);
    expect(ranks.at(-1)!.score).toBeLessThan(-2);
    expect(ranks[0]).not.toHaveProperty('text');
  });

  it('is refused in its own form', async () => {
    expect(await post('/rerank', { query: QUERY, texts: [] })).toEqual({
      status: 400,
      body: { error: '/texts: must not be empty.', error_type: 'Empty' },
    });
    expect(await post('/rerank', { query: QUERY, texts: ['a', LONG_DOCUMENT], truncate: false })).toEqual({
      status: 413,
      body: { error: expect.stringMatching(/^\/texts\/1: has more than \d+ tokens\./) as string, error_type: 'Validation' },
    });
    expect(await post('/rerank', { query: 'word '.repeat(1_000), texts: ['a'] })).toMatchObject({
      status: 413,
      body: { error_type: 'Validation' },
    });
  });
});

describe.each(['/rerank', '/v1/rerank'])('a client of Jina at %s', (path) => {
  it('reranks with the model name that it has', async () => {
    const { status, body } = await post(path, {
      model: 'jina-reranker-v2-base-multilingual',
      query: QUERY,
      documents: DOCUMENTS,
      top_n: 2,
      return_documents: true,
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      model: 'ms-marco-MiniLM-L-12-v2',
      results: ORDER.slice(0, 2).map((index) => ({ index, document: { text: DOCUMENTS[index] } })),
      usage: { total_tokens: expect.any(Number) as number },
    });
    expect(JSON.stringify(body)).not.toContain('null');
  });
});
