import { voyageRerankRequestSchema, type RerankResponse } from '@rerank-fleet/core/contracts';
import { describe, expect, it } from 'vitest';
import { fromVoyage, toVoyage } from './voyage-mapping.js';

const read = (fields: object) => fromVoyage(voyageRerankRequestSchema.parse({ query: 'q', documents: ['a', 'b'], ...fields }));

describe('fromVoyage', () => {
  it('truncates, and returns all results without documents, unless told otherwise', () => {
    expect(read({})).toEqual({ query: 'q', documents: ['a', 'b'], return_documents: false, long_document: 'truncate' });
    expect(read({ model: 'm', top_k: 1, truncation: false, return_documents: true })).toEqual({
      model: 'm',
      query: 'q',
      documents: ['a', 'b'],
      top_n: 1,
      return_documents: true,
      long_document: 'error',
    });
  });
});

describe('toVoyage', () => {
  const answer: RerankResponse = {
    id: 'rerank-1',
    model: 'mini',
    results: [
      { index: 1, relevance_score: 0.9, document: { text: 'b' } },
      { index: 0, relevance_score: 0.1 },
    ],
    usage: { prompt_tokens: 12, total_tokens: 12 },
    meta: { api_version: { version: '1' }, billed_units: { search_units: 1 }, tokens: { input_tokens: 12 } },
  };

  it('answers a list, documents as plain texts where there are any', () => {
    expect(toVoyage(answer)).toEqual({
      object: 'list',
      data: [
        { index: 1, relevance_score: 0.9, document: 'b' },
        { index: 0, relevance_score: 0.1 },
      ],
      model: 'mini',
      usage: { total_tokens: 12 },
    });
  });
});
