import type { SearchParameters, SearchResponse } from '@rerank-fleet/client';
import { Option, type Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { ExitCode, usageError } from '../exit-code.js';
import { renderComparison } from './render-comparison.js';
import { renderSearchTable } from './render-search.js';
import { addScoringOptions, scoringFieldsOf, type ScoringFlags } from './scoring-options.js';
import { chooseCorpus } from './corpus-argument.js';
import { given, parseJsonObject, parsePositiveInt } from './option-parsers.js';

interface SearchFlags extends ScoringFlags {
  readonly corpus?: string;
  readonly topK?: number;
  readonly mode?: 'hybrid' | 'dense' | 'sparse';
  readonly filter?: Record<string, unknown>;
  readonly groupBy?: 'document' | 'none';
  readonly rerank: boolean;
  readonly compare?: true;
  readonly full?: true;
  readonly explain?: true;
}

export function registerSearchCommand(program: Command): void {
  const command = program
    .command('search')
    .description('find documents of a corpus, and rerank them')
    .argument('<query>', 'what is searched for')
    .option('-c, --corpus <name>', 'corpus to search; needed when there are several')
    .option('-k, --top-k <count>', 'first-stage depth in passages', parsePositiveInt)
    .addOption(new Option('--mode <mode>', 'first stage').choices(['hybrid', 'dense', 'sparse']))
    .option('-f, --filter <json>', 'filter over metadata, e.g. \'{"must":[{"key":"lang","match":{"value":"en"}}]}\'', parseJsonObject)
    .addOption(new Option('--group-by <what>', 'a document once, or every passage').choices(['document', 'none']))
    .option('--no-rerank', 'first-stage order')
    .option('--compare', 'first-stage and reranked order side by side')
    .option('--full', 'whole passages instead of a table')
    .option('--explain', 'with --json: logit, tokens, truncation, moves and the scores of each stage');
  clientAction(addScoringOptions(command), search);
}

async function search(context: CommandContext, query: string, flags: SearchFlags): Promise<void> {
  if (query.trim() === '') throw usageError('The query is empty.');
  if (flags.compare === true && !flags.rerank) throw usageError('--compare needs both orders: leave --no-rerank out.');
  const corpus = await chooseCorpus(context, flags.corpus);
  const request: SearchParameters = {
    corpus,
    query,
    ...scoringFieldsOf(flags),
    ...given({ top_k: flags.topK, mode: flags.mode, group_by: flags.groupBy, explain: flags.explain }),
    // The service is the judge of filters: its answer points at what is wrong in them.
    ...(flags.filter === undefined ? {} : { filter: flags.filter }),
    ...(flags.rerank ? {} : { rerank: false }),
  };
  if (flags.compare === true) await compare(context, request);
  else await show(context, request, flags.full === true);
}

async function show({ client, terminal, signal, exitWith }: CommandContext, request: SearchParameters, full: boolean): Promise<void> {
  const answer = await client.search(request, { signal });
  terminal.result(answer, () => (answer.results.length === 0 ? NOTHING : renderSearchTable(answer, { terminal, full })));
  if (answer.results.length === 0) exitWith(ExitCode.nothingFoundOrPartial);
  else if (!terminal.json) terminal.note(summaryOf(answer));
}

/** Both orders of the same depth; scores limit neither, so that what moved out is seen. */
async function compare({ client, terminal, signal, exitWith }: CommandContext, request: SearchParameters): Promise<void> {
  const { min_score: _minScore, model: _model, stages: _stages, ...firstStage } = request;
  const [before, after] = await Promise.all([
    client.search({ ...firstStage, rerank: false }, { signal }),
    client.search(request, { signal }),
  ]);
  terminal.result({ first_stage: before, reranked: after }, () =>
    before.results.length === 0 ? NOTHING : renderComparison(before, after, terminal),
  );
  if (after.results.length === 0) exitWith(ExitCode.nothingFoundOrPartial);
  else if (!terminal.json) terminal.note(summaryOf(after));
}

const NOTHING = 'Nothing found.';

function summaryOf(answer: SearchResponse): string {
  const by = answer.model === undefined ? 'first-stage order' : `reranked by ${answer.model}`;
  return `corpus ${answer.corpus}, version ${answer.version}, ${by}, ${answer.timings_ms.total.toFixed(0)} ms`;
}
