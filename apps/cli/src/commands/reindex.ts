import type { ReindexBody } from '@rerank-fleet/client';
import { requestsPerSecondSchema } from '@rerank-fleet/core/contracts';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { CliError, usageError } from '../exit-code.js';
import { readJudgedQueries } from '../sources/judged-queries.js';
import { formatCount, plural } from '../terminal/progress.js';
import { checkCorpusName } from './corpus-argument.js';
import { addIndexOptions, indexSettingsOf, needsCurrentSettings, type IndexFlags } from './index-options.js';
import { given, parseNonNegativeInt, parseNumber } from './option-parsers.js';
import { watchReindex } from './reindex-watch.js';
import { describeReindex, renderReindexes } from './render-reindex.js';

interface StartFlags extends IndexFlags {
  readonly rps?: number;
  readonly promote?: 'auto' | 'manual';
  readonly sample?: number;
  readonly minOverlap?: number;
  readonly judged?: string;
  readonly minNdcgRatio?: number;
  readonly keepPrevious?: number;
  readonly watch?: true;
}

/** Of one request. */
const MOST_JUDGED = 1_000;

export function registerReindexCommand(program: Command): void {
  const reindex = program.command('reindex').description('build a new index of a corpus beside the one in use, and put it in its place');
  const byId = (name: string, description: string): Command =>
    reindex.command(name).description(description).argument('<reindex>', 'id of a reindex');
  registerStart(reindex);
  const listing = reindex.command('list').description('reindexes, newest first').option('-c, --corpus <name>', 'of this corpus only');
  clientAction(listing, list);
  clientAction(byId('show', 'a reindex as it stands'), show);
  clientAction(byId('watch', 'follow a reindex until it has ended or waits to be promoted; Ctrl-C leaves it alone'), watch);
  const rethrottled = byId('rethrottle', 'change its speed').argument('<rate>', 'documents a second at most, or unlimited', parseRate);
  clientAction(rethrottled, rethrottle);
  clientAction(byId('cancel', 'end a reindex without a promotion; the new index is dropped'), cancel);
  clientAction(byId('promote', 'put the new index in use'), promote);
  clientAction(byId('rollback', 'put the index before in use again, as long as it is kept'), rollback);
}

function registerStart(reindex: Command): void {
  const command = reindex.command('start').description('begin a reindex; what is not said stays as it is').argument('<corpus>', 'corpus');
  addIndexOptions(command, 'that of the corpus')
    .option('--rps <count>', 'documents a second at most; default: no limit', parseRps)
    .addOption(new Option('--promote <when>', 'put the new index in use by itself, or by hand').choices(['auto', 'manual']))
    .option('--sample <count>', "queries made of the corpus' documents, asked of both indexes; the service takes 50", parseNonNegativeInt)
    .option('--min-overlap <share>', 'least mean share, 0 to 1, of the first ten documents that both indexes find', parseNumber)
    .option('--judged <path>', 'queries with graded documents: NDJSON of {"query", "relevant": {"id": grade}}, or a folder of BEIR layout')
    .option('--min-ndcg-ratio <ratio>', 'least nDCG@10 after ÷ before, over the judged queries', parseNumber)
    .option('--keep-previous <time>', 'how long the index before is kept for a rollback: 90s, 30m, 12h, 2d; default: a day', parseTime)
    .option('--watch', 'follow it');
  clientAction(command, start);
}

export function parseTime(text: string): number {
  const { count, unit = 's' } = /^(?<count>\d{1,9})(?<unit>[smhd])?$/.exec(text)?.groups ?? {};
  if (count === undefined) throw new InvalidArgumentError('It must be a time such as 90s, 30m, 12h or 2d.');
  return Number(count) * { s: 1, m: 60, h: 3_600, d: 86_400 }[unit as 's' | 'm' | 'h' | 'd'];
}

function parseRps(text: string): number {
  const parsed = requestsPerSecondSchema.safeParse(parseNumber(text));
  if (!parsed.success) throw new InvalidArgumentError('It must be a number above 0.');
  return parsed.data;
}

/** Undefined is no value for Commander. */
function parseRate(text: string): number | 'unlimited' {
  return text === 'unlimited' ? text : parseRps(text);
}

async function start(context: CommandContext, corpus: string, flags: StartFlags): Promise<void> {
  const { client, terminal, signal } = context;
  checkCorpusName(corpus);
  const validation = await validationOf(context, flags);
  const current = needsCurrentSettings(flags) ? (await client.getCorpus(corpus, { signal })).settings : undefined;
  const reindex = await client.reindexes.start(
    corpus,
    {
      ...indexSettingsOf(flags, current),
      ...given({ requests_per_second: flags.rps, promote: flags.promote, keep_previous_s: flags.keepPrevious }),
      ...(Object.keys(validation).length === 0 ? {} : { validation }),
    },
    { signal },
  );
  const { id, from_version: from, to_version: to, total } = reindex;
  const text = `Reindex ${id} of ${corpus} has begun: version ${from} → ${to}, ${plural(total, 'document')}.`;
  if (flags.watch === true) {
    terminal.note(text);
    await watchReindex(context, id);
  } else {
    terminal.result(reindex, () => `${text} \`rerank reindex watch ${id}\` follows it.`);
  }
}

async function validationOf({ terminal }: CommandContext, { judged: path, ...flags }: StartFlags) {
  if (path === undefined && flags.minNdcgRatio !== undefined) throw usageError('--min-ndcg-ratio needs judged queries, by --judged.');
  const judged = path === undefined ? undefined : await readJudgedQueries(path);
  if (judged !== undefined && judged.length > MOST_JUDGED)
    terminal.note(`The first ${formatCount(MOST_JUDGED)} of ${formatCount(judged.length)} judged queries are taken.`);
  return given({
    sample: flags.sample,
    min_overlap: flags.minOverlap,
    judged: judged?.slice(0, MOST_JUDGED),
    min_ndcg_ratio: flags.minNdcgRatio,
  });
}

async function list({ client, terminal, signal }: CommandContext, { corpus }: { readonly corpus?: string }): Promise<void> {
  if (corpus !== undefined) checkCorpusName(corpus);
  const found = await client.reindexes.list({ corpus, signal });
  terminal.result(found, () => (found.length === 0 ? 'There is no reindex.' : renderReindexes(found, terminal.columns)));
}

async function show({ client, terminal, signal }: CommandContext, id: string): Promise<void> {
  const reindex = await client.reindexes.get(id, { signal });
  terminal.result(reindex, () => describeReindex(reindex));
}

function watch(context: CommandContext, id: string): Promise<void> {
  return watchReindex(context, id);
}

async function rethrottle({ client, terminal, signal }: CommandContext, id: string, rate: number | 'unlimited'): Promise<void> {
  const reindex = await client.reindexes.rethrottle(id, rate === 'unlimited' ? undefined : rate, { signal });
  const limit = reindex.requests_per_second;
  terminal.result(
    reindex,
    () => `Reindex ${id} takes ${limit === undefined ? 'as many documents as it can' : `at most ${plural(limit, 'document')} a second`}.`,
  );
}

async function cancel({ client, terminal, signal }: CommandContext, id: string): Promise<void> {
  const reindex = await client.reindexes.cancel(id, { signal });
  terminal.result(reindex, () => `Reindex ${id} is ${describeState(reindex)}.`);
  if (reindex.status !== 'cancelled') throw new CliError('The reindex had ended before it could be cancelled.');
}

async function promote({ client, terminal, signal }: CommandContext, id: string): Promise<void> {
  const reindex = await client.reindexes.promote(id, { signal });
  terminal.result(
    reindex,
    () => `Version ${reindex.to_version} of ${reindex.corpus} is in use; \`rerank reindex rollback ${id}\` goes back.`,
  );
}

async function rollback({ client, terminal, signal }: CommandContext, id: string): Promise<void> {
  const reindex = await client.reindexes.rollback(id, { signal });
  terminal.result(reindex, () => `Version ${reindex.from_version} of ${reindex.corpus} is in use again.`);
}

function describeState({ status }: ReindexBody): string {
  return status.replace('_', ' ');
}
