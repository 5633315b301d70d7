import { CohereClient, CohereClientV2, CohereError } from 'cohere-ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.js';
import { DOCUMENTS, LONG_DOCUMENT, ORDER, QUERY } from './apple-trees.js';

const KEY = 'compat-key-0123456789';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({
    apiKey: KEY,
    environment: { API_KEYS: JSON.stringify([{ key: KEY, tenant: 'acme', scopes: ['search'] }]) },
  });
});
afterAll(() => stack.stop());

const v2 = (token = KEY): CohereClientV2 => new CohereClientV2({ token, environment: stack.url, maxRetries: 0 });
const failureOf = async (call: PromiseLike<unknown>): Promise<CohereError> => {
  try {
    await call;
  } catch (error) {
    if (error instanceof CohereError) return error;
    throw error;
  }
  throw new Error('The call should have failed.');
};

describe('CohereClientV2', () => {
  it('reranks, with nothing but its base URL changed', async () => {
    const { data, rawResponse } = await v2()
      .rerank({ model: 'rerank-v3.5', query: QUERY, documents: DOCUMENTS, topN: 2 })
      .withRawResponse();
    expect(data.results.map(({ index }) => index)).toEqual(ORDER.slice(0, 2));
    expect(data.results[0]!.relevanceScore).toBeGreaterThan(0.9);
    expect(data.results[1]!.relevanceScore).toBeLessThan(data.results[0]!.relevanceScore);
    expect(data.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(data.meta).toMatchObject({ apiVersion: { version: '2' }, billedUnits: { searchUnits: 1 } });
    expect(data.meta!.tokens!.inputTokens).toBeGreaterThan(30);
    expect(rawResponse.headers.get('x-ignored-fields')).toBeNull();
  });

  it('finds an answer at the end of a long document, unless it asks to look at less of it', async () => {
    const score = async (maxTokensPerDoc?: number): Promise<number> => {
      const limit = maxTokensPerDoc === undefined ? {} : { maxTokensPerDoc };
      const { results } = await v2().rerank({ model: 'rerank-v3.5', query: QUERY, documents: [LONG_DOCUMENT], ...limit });
      return results[0]!.relevanceScore;
    };
    expect(await score()).toBeGreaterThan(0.5);
    expect(await score(200)).toBeLessThan(0.1);
  });

  it('takes a priority', async () => {
    const { results } = await v2().rerank({ model: 'rerank-v3.5', query: QUERY, documents: DOCUMENTS, priority: 500 });
    expect(results.map(({ index }) => index)).toEqual(ORDER);
  });

  it('reads what went wrong from errors', async () => {
    const blank = await failureOf(v2().rerank({ model: 'rerank-v3.5', query: '', documents: DOCUMENTS }));
    expect(blank).toMatchObject({ statusCode: 400, body: { message: '/query: must not be empty.' } });
    const unknown = await failureOf(v2().rerank({ model: 'no-such-model', query: QUERY, documents: DOCUMENTS }));
    expect(unknown).toMatchObject({ statusCode: 404, body: { message: expect.stringContaining('No reranker of this name') as string } });
    const stranger = await failureOf(v2('another-key-0123456789').rerank({ model: 'rerank-v3.5', query: QUERY, documents: DOCUMENTS }));
    expect(stranger).toMatchObject({ statusCode: 401, body: { id: expect.any(String) as string, message: expect.any(String) as string } });
  });
});

describe('CohereClient (v1)', () => {
  const v1 = (): CohereClient => new CohereClient({ token: KEY, environment: stack.url, maxRetries: 0 });

  it('reranks, with documents where it asks for them', async () => {
    const answer = await v1().rerank({ model: 'rerank-english-v3.0', query: QUERY, documents: DOCUMENTS, returnDocuments: true });
    expect(answer.results.map(({ index }) => index)).toEqual(ORDER);
    expect(answer.results.map(({ document }) => document?.text)).toEqual(ORDER.map((index) => DOCUMENTS[index]));
    expect(answer.meta?.billedUnits?.searchUnits).toBe(1);
  });

  it('is told which of its fields had no effect', async () => {
    const { data, rawResponse } = await v1()
      .rerank({ query: QUERY, documents: DOCUMENTS.map((text) => ({ text })), rankFields: ['text'], maxChunksPerDoc: 2 })
      .withRawResponse();
    expect(data.results.map(({ index }) => index)).toEqual(ORDER);
    expect(data.results[0]!.document).toBeUndefined();
    expect(rawResponse.headers.get('x-ignored-fields')).toBe('rank_fields, max_chunks_per_doc');
  });
});
