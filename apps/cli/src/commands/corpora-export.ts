import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RerankApiError, type CorpusBody } from '@rerank-fleet/client';
import type { Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { InterruptedError, usageError } from '../exit-code.js';
import { CORPUS_FORMAT, CORPUS_FORMAT_VERSION, type CorpusFileHead } from '../sources/corpus-file.js';
import { createProgress, formatCount, plural, rateMeter } from '../terminal/progress.js';
import { checkCorpusName } from './corpus-argument.js';
import { ExportDraft } from './export-draft.js';

interface ExportFlags {
  readonly output?: string;
  readonly resume?: boolean;
}

export function registerCorporaExportCommand(corpora: Command): void {
  const command = corpora
    .command('export')
    .description('write the settings and documents of a corpus as NDJSON, for `rerank corpora import` anywhere')
    .argument('<name>', 'corpus')
    .option('-o, --output <file>', 'where they go, packed if it ends in .gz; default: stdout')
    .option('--resume', 'go on where an export to the same file was cut short; it begins anew where none was');
  clientAction(command, exportCorpus);
}

async function exportCorpus(context: CommandContext, name: string, { output, resume = false }: ExportFlags): Promise<void> {
  const { client, terminal, signal } = context;
  checkCorpusName(name);
  if (output === undefined && terminal.json)
    throw usageError('An export is JSON already; --json goes with --output, and says what was written.');
  if (output === undefined && resume) throw usageError('--resume goes with --output: what went to stdout is not there to go on with.');
  const corpus = await client.getCorpus(name, { signal });
  const documents = output === undefined ? await toStdout(context, corpus) : await toFile(context, corpus, { output, resume });
  const text = `${plural(documents, 'document')} of corpus ${name} exported`;
  if (output === undefined) terminal.note(`${text}.`);
  else terminal.result({ corpus: name, output, documents }, () => `${text} to ${output}.`);
}

async function toStdout(context: CommandContext, corpus: CorpusBody): Promise<number> {
  let written = 0;
  async function* texts(): AsyncGenerator<string, void, undefined> {
    yield `${JSON.stringify(headOf(corpus))}\n`;
    for await (const { text, documents } of pagesOf(context, corpus, { documents: 0 })) {
      yield text;
      written += documents;
    }
  }
  await pipeline(Readable.from(texts(), { objectMode: false }), context.terminal.stdout, { end: false });
  return written;
}

/** What has the name is whole. What was cut short lies beside it, for `--resume`. */
async function toFile(
  context: CommandContext,
  corpus: CorpusBody,
  { output, resume }: { readonly output: string; readonly resume: boolean },
): Promise<number> {
  const source = { head: headOf(corpus), createdAt: corpus.created_at };
  const draft = (resume ? await ExportDraft.resume(output, source) : undefined) ?? (await ExportDraft.begin(output, source));
  if (draft.documents > 0) context.terminal.note(`Going on behind ${plural(draft.documents, 'document')}.`);
  try {
    for await (const { text, documents, next } of pagesOf(context, corpus, draft)) await draft.add(text, documents, next);
    await draft.finish();
  } catch (error) {
    const isKept = await draft.leave(!isGone(error));
    const hint = isKept ? 'the same command with --resume goes on behind what was read' : 'nothing was kept';
    if (context.signal.aborted) throw new InterruptedError(`Interrupted. ${output} was not written; ${hint}.`);
    if (isKept) context.terminal.warn(`${output} was not written; ${hint}.`);
    throw error;
  }
  return draft.documents;
}

interface Page {
  readonly text: string;
  readonly documents: number;
  readonly next: string | undefined;
}

/** Documents as lines, page by page, no faster than they are taken. */
async function* pagesOf(
  { client, terminal, signal }: CommandContext,
  { name, documents: total }: CorpusBody,
  { documents: before, after }: { readonly documents: number; readonly after?: string | undefined },
): AsyncGenerator<Page, void, undefined> {
  const progress = createProgress('exporting', terminal.stderr, terminal.quiet);
  const rate = rateMeter();
  let read = 0;
  try {
    for await (const page of client.documentPages(name, { signal, after })) {
      read += page.documents.length;
      progress.update(before + read, total, `${formatCount(before + read)} of ${plural(total, 'document')}, ${rate(read)}`);
      const lines = page.documents.map((document) => `${JSON.stringify(document)}\n`);
      yield { text: lines.join(''), documents: lines.length, next: page.next };
    }
  } finally {
    progress.stop();
  }
}

function headOf({ name, settings, documents }: CorpusBody): CorpusFileHead {
  return { format: CORPUS_FORMAT, version: CORPUS_FORMAT_VERSION, name, settings, documents };
}

/** Whether there is nothing that another run could go on with. */
function isGone(error: unknown): boolean {
  return error instanceof RerankApiError && error.code === 'corpus_not_found';
}
