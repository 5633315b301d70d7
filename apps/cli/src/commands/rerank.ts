import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { RerankParameters, RerankResponse } from '@rerank-fleet/client';
import type { Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { cannotRead, ExitCode, usageError } from '../exit-code.js';
import { parsePassages } from '../sources/parse-passages.js';
import { plural } from '../terminal/progress.js';
import { renderTable, type Cell } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { formatNumber } from './render-search.js';
import { addScoringOptions, scoringFieldsOf, type ScoringFlags } from './scoring-options.js';

interface RerankFlags extends ScoringFlags {
  readonly file?: string;
  readonly explain?: true;
}

export function registerRerankCommand(program: Command): void {
  const command = program
    .command('rerank')
    .description('order documents by their relevance to a query')
    .argument('<query>', 'what the documents are held against')
    .argument('[documents...]', 'texts; or - to read them from stdin')
    .option('--file <path>', 'read documents from a file: one text a line, NDJSON with "text", or a JSON array')
    .option('--explain', 'with --json: logit, tokens, truncation and the scores of each stage');
  clientAction(addScoringOptions(command), rerank);
}

async function rerank(context: CommandContext, query: string, texts: readonly string[], flags: RerankFlags): Promise<void> {
  if (query.trim() === '') throw usageError('The query is empty.');
  const { client, terminal, signal, exitWith } = context;
  const documents = await gatherDocuments(texts, flags.file);
  const request: RerankParameters = { query, documents, ...scoringFieldsOf(flags), ...(flags.explain === true ? { explain: true } : {}) };
  const answer = await client.rerank(request, { signal });
  terminal.result(answer, () => (answer.results.length === 0 ? 'No document has that score.' : renderRerank(answer, documents, terminal)));
  if (answer.results.length === 0) exitWith(ExitCode.nothingFoundOrPartial);
  else if (!terminal.json)
    terminal.note(`${plural(documents.length, 'document')}, ${plural(answer.usage.total_tokens, 'token')}, ${answer.model}`);
}

async function gatherDocuments(texts: readonly string[], file: string | undefined): Promise<string[]> {
  const fromStdin = texts.length === 1 && texts[0] === '-';
  if (file !== undefined && texts.length > 0) throw usageError('Give documents either as arguments or with --file, not both.');
  if (file === undefined && texts.length === 0) throw usageError('Give documents: as arguments, with --file <path>, or - for stdin.');
  if (file === undefined && !fromStdin) return [...texts];
  const name = file ?? 'stdin';
  const bytes =
    file === undefined
      ? await buffer(process.stdin)
      : await readFile(file).catch((error: unknown) => {
          throw cannotRead(file, error);
        });
  const documents = parsePassages(bytes, name);
  if (documents.length === 0) throw usageError(`${name} holds no documents.`);
  return documents;
}

function renderRerank(answer: RerankResponse, documents: readonly string[], { colors, columns }: Terminal): string {
  const rows = answer.results.map(({ index, relevance_score: score }, at): Cell[] => [
    String(at + 1),
    formatNumber(score),
    { text: String(index), paint: colors.dim },
    documents[index] ?? '',
  ]);
  const titles = [
    { title: '#', align: 'right' },
    { title: 'score', align: 'right' },
    { title: 'index', align: 'right' },
    { title: 'document', stretch: true },
  ] as const;
  return renderTable(titles, rows, columns);
}
