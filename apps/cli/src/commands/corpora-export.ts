import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { CorpusBody } from '@rerank-fleet/client';
import type { Command } from 'commander';
import { cannotWrite } from '../batch/run-state.js';
import { clientAction, type CommandContext } from '../client-command.js';
import { InterruptedError, usageError } from '../exit-code.js';
import { CORPUS_FORMAT, CORPUS_FORMAT_VERSION, type CorpusFileHead } from '../sources/corpus-file.js';
import { createProgress, formatCount, plural, rateMeter } from '../terminal/progress.js';
import { checkCorpusName } from './corpus-argument.js';

interface ExportFlags {
  readonly output?: string;
}

/** Characters of lines that are handed on together. */
const CHUNK_CHARACTERS = 65_536;

export function registerCorporaExportCommand(corpora: Command): void {
  const command = corpora
    .command('export')
    .description('write the settings and documents of a corpus as NDJSON, for `rerank corpora import` anywhere')
    .argument('<name>', 'corpus')
    .option('-o, --output <file>', 'where they go, packed if it ends in .gz; default: stdout');
  clientAction(command, exportCorpus);
}

async function exportCorpus(context: CommandContext, name: string, { output }: ExportFlags): Promise<void> {
  const { client, terminal, signal } = context;
  checkCorpusName(name);
  if (output === undefined && terminal.json)
    throw usageError('An export is JSON already; --json goes with --output, and says what was written.');
  const corpus = await client.getCorpus(name, { signal });
  const written = { documents: 0 };
  try {
    const chunks = Readable.from(chunksOf(context, corpus, written), { objectMode: false });
    if (output === undefined) await pipeline(chunks, terminal.stdout, { end: false });
    else await writeFile(chunks, output);
  } catch (error) {
    throw signal.aborted ? new InterruptedError(`Interrupted.${output === undefined ? '' : ` ${output} was not written.`}`) : error;
  }
  const text = `${plural(written.documents, 'document')} of corpus ${name} exported`;
  if (output === undefined) terminal.note(`${text}.`);
  else terminal.result({ corpus: name, output, ...written }, () => `${text} to ${output}.`);
}

/** The head, then documents, no faster than they are taken. */
async function* chunksOf(
  { client, terminal, signal }: CommandContext,
  corpus: CorpusBody,
  written: { documents: number },
): AsyncGenerator<string> {
  const { name, settings, documents: total } = corpus;
  const head: CorpusFileHead = { format: CORPUS_FORMAT, version: CORPUS_FORMAT_VERSION, name, settings, documents: total };
  let text = `${JSON.stringify(head)}\n`;
  const progress = createProgress('exporting', terminal.stderr, terminal.quiet);
  const rate = rateMeter();
  try {
    for await (const document of client.listDocuments(name, { signal })) {
      text += `${JSON.stringify(document)}\n`;
      written.documents += 1;
      if (text.length < CHUNK_CHARACTERS) continue;
      progress.update(
        written.documents,
        total,
        `${formatCount(written.documents)} of ${plural(total, 'document')}, ${rate(written.documents)}`,
      );
      yield text;
      text = '';
    }
    yield text;
  } finally {
    progress.stop();
  }
}

/** Beside it first: what has the name is whole. */
async function writeFile(chunks: Readable, path: string): Promise<void> {
  const draft = `${path}.part`;
  try {
    await pipeline(chunks, path.endsWith('.gz') ? createGzip() : new PassThrough(), createWriteStream(draft, { flush: true }));
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw isFaultOfFile(error) ? cannotWrite(path, error) : error;
  }
}

function isFaultOfFile(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
