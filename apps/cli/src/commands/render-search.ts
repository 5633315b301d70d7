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

const RELEVANCE_DECIMALS = 3;
/** Fused scores of neighbours differ in the fourth place. */
const FIRST_STAGE_DECIMALS = 4;

/** The reranker's score where there is one, else the first stage's. */
export function formatScore({ relevance_score: relevance, first_stage: firstStage }: SearchResult): string {
  return relevance === undefined ? formatNumber(firstStage.score, FIRST_STAGE_DECIMALS) : formatNumber(relevance);
}

/** With an exponent only where nothing else would be left of the score. */
export function formatNumber(score: number, decimals = RELEVANCE_DECIMALS): string {
  const lost = score !== 0 && Math.abs(score) < 10 ** -decimals;
  return lost ? score.toExponential(1) : score.toFixed(decimals);
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
