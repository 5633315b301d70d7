import { cohereRerankRequestSchema, cohereRerankResponseSchema, type RerankResponse } from '@rerank-fleet/core/contracts';
import { describe, expect, it } from 'vitest';
import { fromCohere, toCohere } from './cohere-mapping.js';

const ANSWER: RerankResponse = {
  id: 'rerank-1',
  model: 'mini',
  results: [
    { index: 1, relevance_score: 0.9, best_span: { start: 0, end: 9 }, document: { text: 'never goes out' } },
    { index: 0, relevance_score: 0.1 },
  ],
  truncated: [1],
  usage: { prompt_tokens: 12, total_tokens: 12 },
  meta: { api_version: { version: '1' }, billed_units: { search_units: 3 }, tokens: { input_tokens: 12 } },
};

describe('fromCohere', () => {
  it('scores long documents in windows, up to 4,096 tokens unless the client says', () => {
    const request = fromCohere(cohereRerankRequestSchema.parse({ query: 'q', documents: ['a'] }));
    expect(request).toEqual({ query: 'q', documents: ['a'], max_tokens_per_doc: 4_096, long_document: 'chunk' });
    expect(fromCohere(cohereRerankRequestSchema.parse({ query: 'q', documents: ['a'], max_tokens_per_doc: 7 })).max_tokens_per_doc).toBe(7);
  });

  it('keeps the model and top_n, and no priority', () => {
    const request = fromCohere(cohereRerankRequestSchema.parse({ model: 'm', query: 'q', documents: ['a'], top_n: 1, priority: 9 }));
    expect(request).toMatchObject({ model: 'm', top_n: 1 });
    expect(request).not.toHaveProperty('priority');
  });

  it.each([-1, 1_000, 1.5, '0'])('takes no priority %j', (priority) => {
    expect(cohereRerankRequestSchema.safeParse({ query: 'q', documents: ['a'], priority }).success).toBe(false);
  });
});

describe('toCohere', () => {
  it('answers indices and scores alone, in order, under a new id', () => {
    const answer = toCohere(ANSWER);
    expect(cohereRerankResponseSchema.strict().parse(answer)).toEqual(answer);
    expect(answer.results).toEqual([
      { index: 1, relevance_score: 0.9 },
      { index: 0, relevance_score: 0.1 },
    ]);
    expect(answer.meta).toEqual({ api_version: { version: '2' }, billed_units: { search_units: 3 }, tokens: { input_tokens: 12 } });
    expect(answer.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.id).not.toBe(toCohere(ANSWER).id);
  });
});
