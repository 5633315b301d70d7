import { createInterface } from 'node:readline/promises';
import type { CorpusBody, CorpusSettingsParameters } from '@rerank-fleet/client';
import { fieldTypeSchema } from '@rerank-fleet/core/contracts';
import type { Stage } from '@rerank-fleet/core/domain';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { CliError, usageError } from '../exit-code.js';
import { formatCount, plural } from '../terminal/progress.js';
import { renderTable } from '../terminal/table.js';
import { checkCorpusName } from './corpus-argument.js';
import { collectStage, given, parsePositiveInt } from './option-parsers.js';

type Fields = NonNullable<CorpusSettingsParameters['fields']>;

interface CreateFlags {
  readonly embeddingModel?: string;
  readonly chunking?: 'none' | 'sentences';
  readonly maxTokens?: number;
  readonly overlapTokens?: number;
  readonly language?: string;
  readonly field?: Fields;
  readonly stage?: readonly Stage[];
  /** False with --no-stages. */
  readonly stages: boolean;
}

export function registerCorporaCommand(program: Command): void {
  const corpora = program.command('corpora').description('list, show, make and delete corpora');
  clientAction(corpora.command('list').description('every corpus with its counts'), list);
  clientAction(corpora.command('show').description('settings, counts and versions of a corpus').argument('<name>', 'corpus'), show);
  const create = corpora
    .command('create')
    .description('make a corpus, or change the settings of one')
    .argument('<name>', 'lower-case letters, digits and hyphens')
    .option('--embedding-model <name>', "embedder; default: the workers'")
    .addOption(new Option('--chunking <mode>', 'how documents are cut into passages').choices(['none', 'sentences']))
    .option('--max-tokens <count>', 'longest passage', parsePositiveInt)
    .option('--overlap-tokens <count>', 'tokens that neighbouring passages share', parsePositiveInt)
    .option('--language <name>', 'language of stemmer and stop words')
    .option('--field <key=type>', 'filterable metadata: keyword, integer, float, bool or datetime; may be repeated', collectField)
    .option('--stage <model:keep>', 'a stage of the cascade of its searches; repeat it; the last needs no keep', collectStage)
    .option('--no-stages', 'take its cascade back');
  clientAction(create, createCorpus);
  const remove = corpora
    .command('delete')
    .description('delete a corpus with all its documents')
    .argument('<name>', 'corpus')
    .option('-y, --yes', 'do not ask');
  clientAction(remove, deleteCorpus);
}

export function collectField(text: string, previous: Fields = {}): Fields {
  const at = text.lastIndexOf('=');
  const type = fieldTypeSchema.safeParse(text.slice(at + 1));
  if (at < 1 || !type.success)
    throw new InvalidArgumentError('It must be key=type, with one of the types keyword, integer, float, bool, datetime.');
  return { ...previous, [text.slice(0, at)]: type.data };
}

async function list({ client, terminal, signal }: CommandContext): Promise<void> {
  const corpora = await client.listCorpora({ signal });
  terminal.result(corpora, () => (corpora.length === 0 ? 'There is no corpus yet.' : renderCorpora(corpora, terminal.columns)));
}

export function renderCorpora(corpora: readonly CorpusBody[], columns: number): string {
  const rows = corpora.map((corpus) => [
    corpus.name,
    formatCount(corpus.documents),
    formatCount(corpus.passages),
    String(corpus.version),
    corpus.settings.embedding_model,
  ]);
  const titles = [
    { title: 'corpus' },
    { title: 'documents', align: 'right' },
    { title: 'passages', align: 'right' },
    { title: 'version', align: 'right' },
    { title: 'embedder' },
  ] as const;
  return renderTable(titles, rows, columns);
}

async function show({ client, terminal, signal }: CommandContext, name: string): Promise<void> {
  checkCorpusName(name);
  const corpus = await client.getCorpus(name, { signal });
  terminal.result(corpus, () => describeCorpus(corpus));
}

function describeCorpus({ name, settings, version, versions, documents, passages, created_at: createdAt }: CorpusBody): string {
  const { chunking, bm25, fields, stages } = settings;
  const passageSize = `at most ${chunking.max_tokens} tokens, overlap ${chunking.overlap_tokens}`;
  const lines: [string, string][] = [
    ['corpus', name],
    ['documents', formatCount(documents)],
    ['passages', formatCount(passages)],
    ['made', new Date(createdAt * 1_000).toISOString()],
    ['embedder', settings.embedding_model],
    ['chunking', chunking.mode === 'none' ? 'none' : `${chunking.mode}, ${passageSize}`],
    ['bm25', `k1 ${bm25.k1}, b ${bm25.b}, average length ${bm25.average_length}, ${bm25.language}`],
    [
      'fields',
      Object.entries(fields)
        .map(([key, type]) => `${key}=${type}`)
        .join(', ') || 'none',
    ],
    ...(stages === undefined ? [] : [['stages', stages.map(formatStage).join(' → ')] as [string, string]]),
    ['version', `${version} of ${versions.map((entry) => entry.version).join(', ')}`],
  ];
  return lines.map(([key, value]) => `${key.padEnd(10)} ${value}`).join('\n');
}

function formatStage({ model, keep }: Stage): string {
  return keep === undefined ? model : `${model} keeps ${keep}`;
}

async function createCorpus({ client, terminal, signal }: CommandContext, name: string, flags: CreateFlags): Promise<void> {
  checkCorpusName(name);
  const chunking = given({ mode: flags.chunking, max_tokens: flags.maxTokens, overlap_tokens: flags.overlapTokens });
  const settings: CorpusSettingsParameters = {
    ...given({ embedding_model: flags.embeddingModel, fields: flags.field }),
    ...(flags.stages ? {} : { stages: [] }),
    ...(flags.stage === undefined ? {} : { stages: [...flags.stage] }),
    ...(Object.keys(chunking).length === 0 ? {} : { chunking }),
    ...(flags.language === undefined ? {} : { bm25: { language: flags.language } }),
  };
  const corpus = await client.putCorpus(name, settings, { signal });
  terminal.result(corpus, () => `Corpus ${corpus.name} is ready (version ${corpus.version}, ${plural(corpus.documents, 'document')}).`);
}

async function deleteCorpus(context: CommandContext, name: string, flags: { readonly yes?: true }): Promise<void> {
  const { client, terminal, signal } = context;
  checkCorpusName(name);
  if (flags.yes !== true) await confirmDelete(context, name);
  await client.deleteCorpus(name, { signal });
  terminal.result({ corpus: name, deleted: true }, () => `Corpus ${name} deleted.`);
}

async function confirmDelete({ client, terminal, signal }: CommandContext, name: string): Promise<void> {
  if (!process.stdin.isTTY || terminal.json) throw usageError('Deleting a corpus deletes its documents: say so with --yes.');
  const { documents } = await client.getCorpus(name, { signal });
  const question = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await question.question(`Delete corpus ${name} with its ${plural(documents, 'document')}? [y/N] `, { signal });
    if (!/^y(es)?$/i.test(answer.trim())) throw new CliError('Nothing was deleted.');
  } finally {
    question.close();
  }
}
