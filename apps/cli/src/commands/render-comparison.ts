import type { SearchResponse } from '@rerank-fleet/client';
import { renderTable, type Cell } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { formatScore, moveCell, type SearchResult } from './render-search.js';

const COLUMNS = [
  { title: '#', align: 'right' },
  { title: 'first stage', stretch: true },
  { title: 'score', align: 'right' },
  { title: '' },
  { title: 'reranked', stretch: true },
  { title: 'score', align: 'right' },
  { title: 'move' },
] as const;

/**
 * The first-stage order and the reranked order side by side, with scores. A move is counted in places of the left list where the document
 * is in it, else from the passage's own first-stage rank.
 */
export function renderComparison(
  before: SearchResponse,
  after: SearchResponse,
  { colors, columns }: Pick<Terminal, 'colors' | 'columns'>,
): string {
  const places = new Map(before.results.map((result, at) => [keyOf(result), at + 1]));
  const length = Math.max(before.results.length, after.results.length);
  const rows = Array.from({ length }, (_, at): Cell[] => {
    const left = before.results[at];
    const right = after.results[at];
    const from = right === undefined ? 0 : (places.get(keyOf(right)) ?? right.first_stage.rank);
    const moved = right !== undefined && from > at + 1;
    return [
      String(at + 1),
      left === undefined ? '' : nameOf(left),
      left === undefined ? '' : formatScore(left),
      { text: '→', paint: colors.dim },
      right === undefined ? '' : { text: nameOf(right), paint: moved ? colors.bold : String },
      right === undefined ? '' : formatScore(right),
      right === undefined ? '' : moveCell(from, at + 1, colors),
    ];
  });
  return renderTable(COLUMNS, rows, columns);
}

/** Grouped results name a document once; its best passage may be another after reranking. */
function keyOf(result: SearchResult): string {
  return result.document_id;
}

function nameOf(result: SearchResult): string {
  return result.title ?? result.document_id;
}
