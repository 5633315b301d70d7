import type { SearchResponse } from '@rerank-fleet/client';
import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { renderComparison } from './render-comparison.js';
import { formatMove, formatNumber, renderSearchTable, type SearchResult } from './render-search.js';

const terminal = { colors: picocolors.createColors(false), columns: 90 };

const result = (id: string, rank: number, score?: number): SearchResult => ({
  document_id: id,
  title: `Title of ${id}`,
  passage: { index: 0, start: 0, end: 9, text: `Text\nof ${id}` },
  first_stage: { score: 1 / (60 + rank), rank },
  ...(score === undefined ? {} : { relevance_score: score, logit: 1 }),
});

const answer = (results: SearchResult[], model?: string): SearchResponse => ({
  ...{ id: 's', corpus: 'c', version: 1, results, usage: { prompt_tokens: 1, total_tokens: 1 }, truncated: [] },
  ...{ timings_ms: { queue: 1, total: 2 }, ...(model === undefined ? {} : { model }) },
});

describe('renderSearchTable', () => {
  it('shows rank, score, document, first-stage rank and move', () => {
    const text = renderSearchTable(answer([result('b', 8, 0.9871), result('a', 1, 0.00002)], 'm'), { terminal, full: false });
    expect(text.split('\n')).toEqual([
      '#   score  document    was  move  passage',
      '1   0.987  Title of b    8  ↑7    Text of b',
      '2  2.0e-5  Title of a    1  ↓1    Text of a',
    ]);
  });

  it('shows no moves when nothing was reranked', () => {
    const text = renderSearchTable(answer([result('a', 1)]), { terminal, full: false });
    expect(text).toBe('#   score  document    passage\n1  0.0164  Title of a  Text of a');
  });

  it('shows whole passages with their place', () => {
    const text = renderSearchTable(answer([result('a', 3, 0.5)], 'm'), { terminal, full: true });
    expect(text).toBe('1. Title of a  0.500  first stage 3\na, characters 0 to 9\nText\nof a');
  });
});

describe('renderComparison', () => {
  it('counts moves in places of the first-stage list, and by rank for what was not in it', () => {
    const before = answer([result('a', 1), result('b', 2)]);
    const after = answer([result('z', 12, 0.9), result('b', 2, 0.5)], 'm');
    expect(renderComparison(before, after, terminal).split('\n')).toEqual([
      '#  first stage   score     reranked    score  move',
      '1  Title of a   0.0164  →  Title of z  0.900  ↑11',
      '2  Title of b   0.0161  →  Title of b  0.500  =',
    ]);
  });

  it('shows the longer list to its end', () => {
    const lines = renderComparison(answer([result('a', 1), result('b', 2)]), answer([result('b', 2, 0.5)], 'm'), terminal).split('\n');
    expect(lines[2]).toBe('2  Title of b   0.0161  →');
  });
});

describe('formatNumber', () => {
  it.each([
    [0.98765, '0.988'],
    [0.00123, '0.001'],
    [0.00000123, '1.2e-6'],
    [-11.16, '-11.160'],
    [0, '0.000'],
  ])('shows %d as %s', (score, text) => {
    expect(formatNumber(score)).toBe(text);
  });
});

describe('formatMove', () => {
  it('points up for better ranks', () => {
    expect([formatMove(8, 1), formatMove(1, 3), formatMove(2, 2)]).toEqual(['↑7', '↓2', '=']);
  });
});
