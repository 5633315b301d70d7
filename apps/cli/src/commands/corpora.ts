import { createInterface } from 'node:readline/promises';
import type { CorpusBody, CorpusSettingsParameters } from '@rerank-fleet/client';
import { fieldTypeSchema } from '@rerank-fleet/core/contracts';
import type { Stage } from '@rerank-fleet/core/domain';
import { InvalidArgumentError, type Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { CliError, usageError } from '../exit-code.js';
import { formatCount, plural } from '../terminal/progress.js';
import { renderTable } from '../terminal/table.js';
import { checkCorpusName } from './corpus-argument.js';
import { registerCorporaExportCommand } from './corpora-export.js';
import { registerCorporaImportCommand } from './corpora-import.js';
import { addIndexOptions, indexSettingsOf, type IndexFlags } from './index-options.js';
import { collectStage, given, parseJsonObject } from './option-parsers.js';

type Fields = NonNullable<CorpusSettingsParameters['fields']>;
type SourceOptions = NonNullable<CorpusBody['settings']['source']>['options'];

interface SettingsFlags extends IndexFlags {
  readonly field?: Fields;
  readonly stage?: readonly Stage[];
  /** False with --no-stages. */
  readonly stages: boolean;
  readonly source?: string;
  readonly sourceOptions?: Record<string, unknown>;
}

export function registerCorporaCommand(program: Command): void {
  const corpora = program.command('corpora').description('list, show, make, change, delete, export and import corpora');
  clientAction(corpora.command('list').description('every corpus with its counts'), list);
  clientAction(corpora.command('show').description('settings, counts and versions of a corpus').argument('<name>', 'corpus'), show);
  const create = addSettings(corpora.command('create').description('make a corpus, or change the settings of one'));
  clientAction(create, createCorpus);
  const set = addSettings(corpora.command('set').description('change the settings of a corpus; what changes its index needs a reindex'));
  clientAction(set, setCorpus);
  registerCorporaExportCommand(corpora);
  registerCorporaImportCommand(corpora);
  const remove = corpora
    .command('delete')
    .description('delete a corpus with all its documents')
    .argument('<name>', 'corpus')
    .option('-y, --yes', 'do not ask');
  clientAction(remove, deleteCorpus);
}

function addSettings(command: Command): Command {
  command.argument('<name>', 'lower-case letters, digits and hyphens');
  return addIndexOptions(command, "the workers'")
    .option('--field <key=type>', 'filterable metadata: keyword, integer, float, bool or datetime; may be repeated', collectField)
    .option('--stage <model:keep>', 'a stage of the cascade of its searches; repeat it; the last needs no keep', collectStage)
    .option('--no-stages', 'take its cascade back')
    .option('--source <connection>', 'search a first stage elsewhere, by a connection that the operator configured')
    .option('--source-options <json>', 'what the connection takes', parseJsonObject);
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

function describeCorpus({ name, settings, versions, documents, passages, created_at: createdAt }: CorpusBody): string {
  const { chunking, bm25, fields, index, source, stages } = settings;
  const passageSize = `at most ${chunking.max_tokens} tokens, overlap ${chunking.overlap_tokens}`;
  const inside: Lines = [
    ['documents', formatCount(documents)],
    ['passages', formatCount(passages)],
    ['embedder', settings.embedding_model],
    ['chunking', chunking.mode === 'none' ? 'none' : `${chunking.mode}, ${passageSize}`],
    ['bm25', `k1 ${bm25.k1}, b ${bm25.b}, average length ${bm25.average_length}, ${bm25.language}`],
    ['index', index === undefined ? undefined : JSON.stringify(index)],
    ['fields', describeFields(fields)],
  ];
  const outside: Lines = [['source', source === undefined ? undefined : `${source.connection} ${JSON.stringify(source.options)}`]];
  const lines: Lines = [
    ['corpus', name],
    ['made', instant(createdAt)],
    ...(source === undefined ? inside : outside),
    ['stages', stages?.map(formatStage).join(' → ')],
    ['versions', versions.map(formatVersion).join(', ')],
  ];
  return lines.flatMap(([key, value]) => (value === undefined ? [] : [`${key.padEnd(10)} ${value}`])).join('\n');
}

type Lines = (readonly [name: string, value: string | undefined])[];

function describeFields(fields: CorpusBody['settings']['fields']): string {
  const pairs = Object.entries(fields).map(([key, type]) => `${key}=${type}`);
  return pairs.join(', ') || 'none';
}

function formatVersion({ version, state, retired_at: retiredAt }: CorpusBody['versions'][number]): string {
  return `${version} ${state}${retiredAt === undefined ? '' : ` since ${instant(retiredAt)}`}`;
}

function instant(epochSeconds: number): string {
  return new Date(epochSeconds * 1_000).toISOString();
}

function formatStage({ model, keep }: Stage): string {
  return keep === undefined ? model : `${model} keeps ${keep}`;
}

async function createCorpus(context: CommandContext, name: string, flags: SettingsFlags): Promise<void> {
  checkCorpusName(name);
  await putCorpus(context, name, settingsOf(flags));
}

async function setCorpus(context: CommandContext, name: string, flags: SettingsFlags): Promise<void> {
  checkCorpusName(name);
  // Also tells that there is none of the name.
  const { settings } = await context.client.getCorpus(name, { signal: context.signal });
  const wanted = settingsOf(flags, settings);
  if (Object.keys(wanted).length === 0) throw usageError('Say what to change; `rerank corpora set --help` lists it.');
  await putCorpus(context, name, wanted);
}

async function putCorpus({ client, terminal, signal }: CommandContext, name: string, settings: CorpusSettingsParameters): Promise<void> {
  const corpus = await client.putCorpus(name, settings, { signal });
  terminal.result(corpus, () => `Corpus ${corpus.name} is ready (version ${corpus.version}, ${plural(corpus.documents, 'document')}).`);
}

function settingsOf(flags: SettingsFlags, current?: CorpusBody['settings']): CorpusSettingsParameters {
  const { source: connection, sourceOptions } = flags;
  if (sourceOptions !== undefined && connection === undefined) throw usageError('--source-options goes with --source.');
  const source = connection === undefined ? undefined : { connection, options: (sourceOptions ?? {}) as SourceOptions };
  return {
    ...indexSettingsOf(flags, current),
    ...given({ fields: flags.field, source }),
    ...(flags.stages ? {} : { stages: [] }),
    ...(flags.stage === undefined ? {} : { stages: [...flags.stage] }),
  };
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
