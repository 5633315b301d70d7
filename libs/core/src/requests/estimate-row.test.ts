import { describe, expect, it } from 'vitest';
import { estimateRow } from './estimate-row.js';
import { readJobRow, type JobRequest } from './read-job-row.js';

const corpus = { chunking: { mode: 'sentences', maxTokens: 200, overlapTokens: 0 } } as const;
const cascade = [{ model: 'light', keep: 20 }, { model: 'middle', keep: 5 }, { model: 'heavy' }];

function read(row: Record<string, unknown>): JobRequest {
  const found = readJobRow({ custom_id: 'a', query: 'q', ...row });
  if (!found.ok) throw found.error;
  return found.row;
}

describe('estimateRow', () => {
  it('counts a pair a document and a token for four bytes sent', () => {
    expect(estimateRow(read({ documents: ['one', 'two', 'three'] }), 402)).toEqual({ pairs: 3, tokens: 101 });
  });

  it('counts a pair a candidate, each with half a passage window of the corpus', () => {
    expect(estimateRow(read({ corpus: 'c', top_k: 30 }), 80, corpus)).toEqual({ pairs: 30, tokens: 20 + 30 * 100 });
  });

  it('counts in each stage what the one before kept', () => {
    expect(estimateRow(read({ corpus: 'c', top_k: 100, stages: cascade }), 80, corpus).pairs).toBe(100 + 20 + 5);
    expect(estimateRow(read({ corpus: 'c', top_k: 10, stages: cascade }), 80, corpus).pairs).toBe(10 + 10 + 5);
    expect(estimateRow(read({ documents: Array.from({ length: 40 }, String), stages: cascade }), 400)).toEqual({ pairs: 65, tokens: 163 });
  });

  it('takes the stages of the corpus unless the request names a model', () => {
    const staged = { ...corpus, stages: cascade };
    expect(estimateRow(read({ corpus: 'c', top_k: 100 }), 80, staged).pairs).toBe(125);
    expect(estimateRow(read({ corpus: 'c', top_k: 100, model: 'heavy' }), 80, staged).pairs).toBe(100);
  });

  it('counts no pair where nothing is reranked', () => {
    expect(estimateRow(read({ corpus: 'c', rerank: false }), 81, corpus)).toEqual({ pairs: 0, tokens: 21 });
  });
});
