import type { SearchResponse } from '@rerank-fleet/client';
import { oneLine } from '../terminal/display-width.js';
import { renderTable, type Cell } from '../terminal/table.js';
import type { Colors, Terminal } from '../terminal/terminal.js';

export type SearchResult = SearchResponse['results'][number];

/** Results as a table: rank, score, document, where the first stage had it and how far it moved, and the begin of the passage. */
export function renderSearchTable(
  answer: SearchResponse,
  { terminal, full }: { readonly terminal: Pick<Terminal, 'colors' | 'columns'>; readonly full: boolean },
): string {
  if (full) return answer.results.map((result, at) => renderPassage(result, at + 1, terminal.colors)).join('\n\n');
  const reranked = answer.model !== undefined;
  const rows = answer.results.map((result, at): Cell[] => [
    String(at + 1),
    formatScore(result),
    { text: result.title ?? result.document_id, paint: terminal.colors.bold },
    ...(reranked ? [String(result.first_stage.rank), moveCell(result.first_stage.rank, at + 1, terminal.colors)] : []),
    { text: result.passage.text ?? '', paint: terminal.colors.dim },
  ]);
  const columns = [
    { title: '#', align: 'right' },
    { title: 'score', align: 'right' },
    { title: 'document', maxWidth: 40 },
    ...(reranked ? ([{ title: 'was', align: 'right' }, { title: 'move' }] as const) : []),
    { title: 'passage', stretch: true },
  ] as const;
  return renderTable(columns, rows, terminal.columns);
}

function renderPassage(result: SearchResult, rank: number, colors: Colors): string {
  const { document_id: id, title, passage, first_stage: firstStage } = result;
  const head = `${rank}. ${colors.bold(oneLine(title ?? id))}  ${formatScore(result)}  ${colors.dim(`first stage ${firstStage.rank}`)}`;
  const place = colors.dim(`${oneLine(id)}, characters ${passage.start} to ${passage.end}`);
  return `${head}\n${place}\n${(passage.text ?? '').split(/\r?\n/).map(oneLine).join('\n')}`;
}

/** The reranker's score where there is one, else the first stage's. */
export function formatScore(result: SearchResult): string {
  return formatNumber(result.relevance_score ?? result.first_stage.score);
}

/** Enough digits to tell small scores apart, and no exponent where it can be helped. */
export function formatNumber(score: number): string {
  if (score === 0) return '0';
  if (Math.abs(score) < 0.0001) return score.toExponential(1);
  return score.toFixed(Math.abs(score) < 0.01 ? 4 : 3);
}

export function moveCell(before: number, after: number, colors: Colors): Cell {
  const text = formatMove(before, after);
  return { text, paint: before > after ? colors.green : before < after ? colors.red : colors.dim };
}

/** `↑7`: seven places up. */
export function formatMove(before: number, after: number): string {
  if (before === after) return '=';
  return before > after ? `↑${before - after}` : `↓${after - before}`;
}
