import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VoyageAIClient, VoyageAIError } from 'voyageai';
import { startTestStack, type TestStack } from '../support/stack.js';
import { DOCUMENTS, LONG_DOCUMENT, ORDER, QUERY } from './apple-trees.js';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.stop());

const voyage = (): VoyageAIClient => new VoyageAIClient({ apiKey: 'unused', environment: `${stack.url}/v1/voyage`, maxRetries: 0 });

describe('VoyageAIClient', () => {
  it('reranks, with nothing but its base URL changed', async () => {
    const answer = await voyage().rerank({ model: 'rerank-2.5', query: QUERY, documents: DOCUMENTS, topK: 2, returnDocuments: true });
    expect(answer.object).toBe('list');
    expect(answer.data?.map(({ index, document }) => [index, document])).toEqual(
      ORDER.slice(0, 2).map((index) => [index, DOCUMENTS[index]]),
    );
    expect(answer.data?.[0]?.relevanceScore).toBeGreaterThan(0.9);
    expect(answer.usage?.totalTokens).toBeGreaterThan(30);
  });

  it('gets a long document truncated, or refused where truncation is off', async () => {
    const long = { model: 'rerank-2.5', query: QUERY, documents: [LONG_DOCUMENT] };
    expect((await voyage().rerank(long)).data?.[0]?.relevanceScore).toBeLessThan(0.1);
    const refusal: unknown = await voyage()
      .rerank({ ...long, truncation: false })
      .then(undefined, (error: unknown) => error);
    expect(refusal).toBeInstanceOf(VoyageAIError);
    expect(refusal).toMatchObject({ statusCode: 422, body: { detail: expect.stringContaining('"truncation": true') as string } });
  });
});
