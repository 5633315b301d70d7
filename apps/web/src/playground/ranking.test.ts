import type { RerankResponse, SearchResponse } from '@rerank-fleet/client';
import { describe, expect, it } from 'vitest';
import { movesOf, rankingOfRerank, rankingOfSearch } from './ranking.js';

const rerankAnswer = (results: RerankResponse['results']): RerankResponse => ({
  id: 'rerank-1',
  model: 'm',
  results,
  usage: { prompt_tokens: 1, total_tokens: 1 },
  meta: { api_version: { version: '1' }, billed_units: { search_units: 1 }, tokens: { input_tokens: 1 } },
});

const found = (id: string, rank: number, more: Partial<SearchResponse['results'][number]> = {}): SearchResponse['results'][number] => ({
  document_id: id,
  passage: { index: 0, start: 0, end: 5, text: `text of ${id}` },
  first_stage: { score: 1 / rank, rank },
  ...more,
});

const searchAnswer = (results: SearchResponse['results']): SearchResponse => ({
  id: 'search-1',
  corpus: 'c',
  version: 1,
  results,
  usage: { prompt_tokens: 1, total_tokens: 1 },
  truncated: [],
  timings_ms: { queue: 1, total: 2 },
});

describe('documents that were pasted', () => {
  const documents = ['a', 'b', 'c'];
  const ranking = rankingOfRerank(
    documents,
    rerankAnswer([
      { index: 2, relevance_score: 0.9, logit: 2.2, best_span: { start: 0, end: 1 } },
      { index: 1, relevance_score: 0.5 },
    ]),
  );

  it('are listed as they came and as they were ranked', () => {
    expect(ranking.before?.map(({ text, rank }) => [text, rank])).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]);
    expect(ranking.after).toEqual([
      { key: '2', rank: 1, text: 'c', relevance: 0.9, logit: 2.2, span: { start: 0, end: 1 } },
      { key: '1', rank: 2, text: 'b', relevance: 0.5 },
    ]);
  });

  it('tell how far they moved, and which left', () => {
    expect(Object.fromEntries(movesOf(ranking))).toEqual({
      0: { kind: 'gone' },
      1: { kind: 'moved', by: 0 },
      2: { kind: 'moved', by: 2 },
    });
  });
});

describe('passages that were found', () => {
  it('are compared with the first stage of the same search', () => {
    const before = searchAnswer([found('a', 1), found('b', 2)]);
    const after = searchAnswer([found('z', 30, { relevance_score: 0.8 }), found('a', 1, { relevance_score: 0.3 })]);
    expect(Object.fromEntries(movesOf(rankingOfSearch(after, before)))).toEqual({
      'z#0': { kind: 'new' },
      'a#0': { kind: 'moved', by: -1 },
      'b#0': { kind: 'gone' },
    });
  });

  it('have their span counted from the passage, not from the document', () => {
    const passage = { index: 3, start: 100, end: 120, text: 'twenty code points. ' };
    const { after } = rankingOfSearch(searchAnswer([found('a', 1, { passage, best_span: { start: 105, end: 110 } })]), undefined);
    expect(after[0]).toMatchObject({ key: 'a#3', span: { start: 5, end: 10 } });
  });

  it('have no moves where nothing was reranked', () => {
    expect(movesOf(rankingOfSearch(searchAnswer([found('a', 1)]), undefined)).size).toBe(0);
  });
});
