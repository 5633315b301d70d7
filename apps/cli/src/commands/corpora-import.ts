import { isDeepStrictEqual } from 'node:util';
import { RerankApiError, type CorpusBody, type CorpusSettingsParameters } from '@rerank-fleet/client';
import { corpusSettingsSchema } from '@rerank-fleet/core/contracts';
import type { Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { CliError } from '../exit-code.js';
import { openCorpusFile, type CorpusFileHead } from '../sources/corpus-file.js';
import { formatCount, plural } from '../terminal/progress.js';
import { checkCorpusName } from './corpus-argument.js';
import { ingestDocuments } from './ingest-documents.js';

interface ImportFlags {
  readonly as?: string;
  readonly embeddingModel?: string;
  /** False with --no-stages. */
  readonly stages: boolean;
}

export function registerCorporaImportCommand(corpora: Command): void {
  const command = corpora
    .command('import')
    .description('make a corpus of what `rerank corpora export` wrote, and store its documents')
    .argument('<file>', 'exported corpus (also .gz), or - for stdin')
    .option('--as <name>', 'name of the new corpus; default: that of the exported one')
    .option('--embedding-model <name>', 'embedder instead of that of the exported one')
    .option('--no-stages', 'without the cascade of the exported one');
  clientAction(command, importCorpus);
}

async function importCorpus(context: CommandContext, path: string, flags: ImportFlags): Promise<void> {
  if (flags.as !== undefined) checkCorpusName(flags.as);
  const { head, documents } = await openCorpusFile(path);
  const name = flags.as ?? head.name;
  await makeCorpus(context, name, settingsOf(head, flags));
  const stored = await ingestDocuments(context, { source: documents, corpus: name, wait: true, mayBeEmpty: true });
  const found = stored?.rows ?? 0;
  if (stored === undefined) context.terminal.result({ corpus: name, documents: 0 }, () => `Corpus ${name} made; there are no documents.`);
  if (found < head.documents)
    context.terminal.warn(
      `${documents.name} holds ${plural(found, 'document')}, and ${formatCount(head.documents)} were there when its export began. Was it cut short?`,
    );
}

function settingsOf({ settings: { stages, ...settings } }: CorpusFileHead, flags: ImportFlags): CorpusSettingsParameters {
  return {
    ...settings,
    ...(flags.embeddingModel === undefined ? {} : { embedding_model: flags.embeddingModel }),
    ...(stages === undefined || !flags.stages ? {} : { stages }),
  };
}

/** One that is there already, with the same settings, is gone on with: an import that was cut short is run again. */
async function makeCorpus({ client, terminal, signal }: CommandContext, name: string, settings: CorpusSettingsParameters): Promise<void> {
  const known = await client.getCorpus(name, { signal }).catch((error: unknown) => {
    if (error instanceof RerankApiError && error.code === 'corpus_not_found') return undefined;
    throw error;
  });
  if (known === undefined) {
    await client.putCorpus(name, settings, { signal });
    terminal.note(`Corpus ${name} made.`);
  } else if (!haveSameSettings(known, settings)) {
    throw new CliError(`There is a corpus ${name} already, with other settings. --as makes one of another name.`);
  }
}

function haveSameSettings({ settings: known }: CorpusBody, settings: CorpusSettingsParameters): boolean {
  return isDeepStrictEqual(corpusSettingsSchema.parse(known), corpusSettingsSchema.parse(settings));
}
