import { rerankRequestSchema, searchRequestSchema } from '@rerank-fleet/core/contracts';
import { describe, expect, it } from 'vitest';
import { EMPTY_RERANK, EMPTY_SEARCH, firstStageOf, rerankRequest, searchRequest, type SearchValues } from './form-values.js';

const SEARCH: SearchValues = { ...EMPTY_SEARCH, corpus: ' manuals ', query: ' frost ' };

describe('a form of documents', () => {
  it('sends what was chosen, and leaves defaults to the service', () => {
    const request = rerankRequest({ ...EMPTY_RERANK, query: 'q', documents: 'a\nb', explain: false });
    expect(request).toEqual({ query: 'q', documents: ['a', 'b'] });
  });

  it('sends a request that the service takes, with everything set', () => {
    const request = rerankRequest({
      query: 'q',
      documents: 'a\n\nb',
      separator: 'blank',
      model: 'm',
      topN: '1',
      minScore: '-0.5',
      effort: 'fast',
      longDocument: 'chunk',
      deterministic: true,
      explain: true,
    });
    expect(rerankRequestSchema.parse(request)).toEqual({
      query: 'q',
      documents: ['a', 'b'],
      model: 'm',
      top_n: 1,
      min_score: -0.5,
      effort: 'fast',
      long_document: 'chunk',
      deterministic: true,
      explain: true,
    });
  });

  it.each([
    [{ query: ' ', documents: 'a' }, 'Type a query.'],
    [{ query: 'q', documents: ' \n ' }, 'Paste at least one document.'],
    [{ query: 'q', documents: 'a', topN: '1.5' }, 'top_n must be a whole number'],
    [{ query: 'q', documents: 'a', topN: '0' }, 'top_n must be a whole number'],
    [{ query: 'q', documents: 'a', minScore: 'much' }, 'min_score must be a number'],
  ])('says what %j lacks', (values, message) => {
    expect(() => rerankRequest({ ...EMPTY_RERANK, ...values })).toThrow(message);
  });
});

describe('a form of a search', () => {
  it('sends a request that the service takes', () => {
    const request = searchRequest({ ...SEARCH, groupBy: 'none', filter: '{"must":[{"key":"lang","match":{"value":"en"}}]}' });
    expect(searchRequestSchema.parse(request)).toMatchObject({ corpus: 'manuals', query: 'frost', top_k: 50, top_n: 10, group_by: 'none' });
  });

  it('sends nothing that only reranking takes where it is off', () => {
    const request = searchRequest({ ...SEARCH, rerank: false, effort: 'fast', model: 'm', minScore: '1', longDocument: 'chunk' });
    expect(request).toEqual({ corpus: 'manuals', query: 'frost', mode: 'hybrid', top_k: 50, top_n: 10, rerank: false });
  });

  it('asks the first stage for the same, without what only reranking takes', () => {
    const request = searchRequest({ ...SEARCH, effort: 'fast', model: 'm', minScore: '1', longDocument: 'chunk', deterministic: true });
    expect(firstStageOf(request)).toEqual({ corpus: 'manuals', query: 'frost', mode: 'hybrid', top_k: 50, top_n: 10, rerank: false });
  });

  it.each([
    [{ corpus: '' }, 'Choose a corpus.'],
    [{ query: '' }, 'Type a query.'],
    [{ topK: '-1' }, 'top_k must be a whole number'],
    [{ filter: '{' }, 'The filter is not JSON.'],
    [{ filter: '[]' }, 'The filter must be an object'],
  ])('says what is wrong with %j', (values, message) => {
    expect(() => searchRequest({ ...SEARCH, ...values })).toThrow(message);
  });
});
