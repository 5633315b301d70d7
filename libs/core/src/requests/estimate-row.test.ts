import { describe, expect, it } from 'vitest';
import { estimateCall, estimateRow } from './estimate-row.js';
import { readJobRow, type JobRequest } from './read-job-row.js';

const corpus = { chunking: { mode: 'sentences', maxTokens: 200, overlapTokens: 0 } } as const;
const cascade = [{ model: 'light', keep: 20 }, { model: 'middle', keep: 5 }, { model: 'heavy' }];

function read(row: Record<string, unknown>): JobRequest {
  const found = readJobRow({ custom_id: 'a', query: 'q', ...row });
  if (!found.ok) throw found.error;
  return found.row;
}

describe('estimateRow', () => {
  it('counts a pair a document, a token for four bytes of the documents, and the query with each pair', () => {
    expect(estimateRow(read({ documents: ['one', 'two', 'three'] }), 402)).toEqual({ pairs: 3, tokens: 101 + 3 });
  });

  it('counts a pair a candidate, each with the query and half a passage window of the corpus', () => {
    expect(estimateRow(read({ corpus: 'c', top_k: 30 }), 80, corpus)).toEqual({ pairs: 30, tokens: 1 + 30 * (1 + 100) });
  });

  it('counts in each stage what the one before kept', () => {
    expect(estimateRow(read({ corpus: 'c', top_k: 100, stages: cascade }), 80, corpus).pairs).toBe(100 + 20 + 5);
    expect(estimateRow(read({ corpus: 'c', top_k: 10, stages: cascade }), 80, corpus).pairs).toBe(10 + 10 + 5);
    expect(estimateRow(read({ documents: Array.from({ length: 40 }, String), stages: cascade }), 400)).toEqual({
      pairs: 65,
      tokens: Math.ceil((399 / 4 / 40 + 1) * 65),
    });
  });

  it('takes the stages of the corpus unless the request names a model', () => {
    const staged = { ...corpus, stages: cascade };
    expect(estimateRow(read({ corpus: 'c', top_k: 100 }), 80, staged).pairs).toBe(125);
    expect(estimateRow(read({ corpus: 'c', top_k: 100, model: 'heavy' }), 80, staged).pairs).toBe(100);
  });

  it('counts no pair where nothing is reranked', () => {
    expect(estimateRow(read({ corpus: 'c', rerank: false }), 81, corpus)).toEqual({ pairs: 0, tokens: 1 });
  });
});

describe('estimateCall', () => {
  const call = (request: Record<string, unknown>) => read({ query: 'four bytes a token', ...request });

  it('counts bytes, not characters', () => {
    expect(estimateCall(call({ documents: ['abcd', 'äöüß', '文文文文'] })).tokens).toBe(3 * 5 + 1 + 2 + 3);
  });

  it('takes documents that are objects by their text', () => {
    expect(estimateCall(call({ documents: [{ text: 'a'.repeat(40) }, 'a'.repeat(40)] }))).toEqual({ pairs: 2, tokens: 2 * 15 });
  });

  it('counts a pair no longer than the models take, unless all of it is scored in windows', () => {
    const documents = ['a'.repeat(40_000), 'short'];
    expect(estimateCall(call({ documents }), undefined, 512).tokens).toBe(512 + 5 + 2);
    expect(estimateCall(call({ documents, max_tokens_per_doc: 100 }), undefined, 512).tokens).toBe(105 + 5 + 2);
    expect(estimateCall(call({ documents, long_document: 'chunk' }), undefined, 512).tokens).toBe(10_005 + 5 + 2);
  });

  it('counts a search by its depth, as a row of a job is', () => {
    const search = call({ corpus: 'c', top_k: 100, stages: cascade });
    expect(estimateCall(search, corpus)).toEqual(estimateRow(search, 4_000, corpus));
    expect(estimateCall(search, corpus, 60)).toEqual({ pairs: 125, tokens: 5 + 125 * 60 });
  });

  it('counts later stages of a cascade by what is kept', () => {
    const documents = Array.from({ length: 40 }, () => 'a'.repeat(20));
    expect(estimateCall(call({ documents, stages: cascade }))).toEqual({ pairs: 65, tokens: 65 * 10 });
  });
});
