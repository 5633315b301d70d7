import { corpusSettingsSchema, rerankRequestSchema, searchRequestSchema } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { parseWith } from './zod-faults.js';

function faultsOf(schema: z.ZodType, value: unknown): RerankError {
  try {
    parseWith(schema, value);
  } catch (error) {
    if (error instanceof RerankError) return error;
    throw error;
  }
  throw new Error('it was valid');
}

describe('parseWith', () => {
  it('points at each fault and names the rule', () => {
    const error = faultsOf(rerankRequestSchema, { query: '', documents: ['', 5, { text: 3 }, {}], top_n: 0.5 });
    expect(error.code).toBe('invalid_request');
    expect(error.errors).toEqual([
      { pointer: '/query', detail: 'must not be empty' },
      { pointer: '/documents/0', detail: 'must not be empty' },
      { pointer: '/documents/1', detail: 'must be a string or an object' },
      { pointer: '/documents/2/text', detail: 'must be a string' },
      { pointer: '/documents/3/text', detail: 'is required' },
      { pointer: '/top_n', detail: 'must be a whole number' },
    ]);
  });

  it('says what is missing', () => {
    expect(faultsOf(rerankRequestSchema, {}).errors).toEqual([
      { pointer: '/query', detail: 'is required' },
      { pointer: '/documents', detail: 'is required' },
    ]);
    expect(faultsOf(rerankRequestSchema, undefined).detail).toBe('The body: is required.');
    expect(faultsOf(rerankRequestSchema, [1]).detail).toBe('The body: must be an object.');
  });

  it('names fields that are not known where the route is strict', () => {
    expect(faultsOf(searchRequestSchema, { corpus: 'a', query: 'q', tok_k: 5 }).errors).toEqual([
      { pointer: '/tok_k', detail: 'is not a known field' },
    ]);
  });

  it('finds its way through a filter', () => {
    const filter = {
      must: [
        { key: 'lang', match: { value: 'en' } },
        { key: 'year', range: {} },
      ],
    };
    expect(faultsOf(searchRequestSchema, { corpus: 'a', query: 'q', filter }).errors).toEqual([
      { pointer: '/filter/must/1/range', detail: 'needs at least one of gt, gte, lt, lte' },
    ]);
  });

  it('points at refinements of nested objects', () => {
    const error = faultsOf(corpusSettingsSchema, { chunking: { max_tokens: 64, overlap_tokens: 60 } });
    expect(error.errors).toEqual([{ pointer: '/chunking', detail: 'overlap_tokens must be at most half of max_tokens' }]);
  });

  it('tells at most twenty faults', () => {
    expect(faultsOf(rerankRequestSchema, { query: 'q', documents: Array.from({ length: 50 }, () => '') }).errors).toHaveLength(20);
  });

  it('never repeats the value', () => {
    const error = faultsOf(searchRequestSchema, { corpus: 'SECRET', query: 'q', mode: 'SECRET', top_k: 'SECRET' });
    expect(JSON.stringify([error.detail, error.errors])).not.toContain('SECRET');
  });
});
