import type { Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { openSource } from '../sources/open-source.js';
import { requireCorpus } from './corpus-argument.js';
import { ingestDocuments } from './ingest-documents.js';

interface IngestFlags {
  readonly corpus: string;
  readonly create: boolean;
  readonly wait: boolean;
}

export function registerIngestCommand(program: Command): void {
  const command = program
    .command('ingest')
    .description('store documents in a corpus')
    .argument('<source>', 'NDJSON file or JSON array (also .gz), a folder of .txt and .md files or of BEIR layout, or - for stdin')
    .requiredOption('-c, --corpus <name>', 'corpus to store them in; made when there is none of that name')
    .option('--no-create', 'fail when there is no such corpus')
    .option('--no-wait', 'end when the service has accepted the documents');
  clientAction(command, ingest);
}

async function ingest(context: CommandContext, path: string, { corpus, create, wait }: IngestFlags): Promise<void> {
  const source = await openSource(path);
  for (const remark of source.remarks) context.terminal.note(remark);
  await requireCorpus(context, corpus, create);
  await ingestDocuments(context, { source, corpus, wait });
}
