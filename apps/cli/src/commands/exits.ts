import {
  exitFitProgressSchema,
  exitFitReportSchema,
  exitShowSchema,
  type ExitFitJob,
  type ExitFitReport,
  type ExitShowBody,
} from '@rerank-fleet/core/contracts';
import { InvalidArgumentError, type Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { InterruptedError } from '../exit-code.js';
import { createProgress, formatCount, plural, rateMeter } from '../terminal/progress.js';
import { renderTable } from '../terminal/table.js';
import { Terminal } from '../terminal/terminal.js';
import { openFitInput, type FitInput, type FitTexts } from './exits-input.js';
import { interruptible } from './interruptible.js';
import { parsePositiveInt } from './option-parsers.js';
import { runWorkerProgram } from './worker-program.js';

interface FitFlags extends FitTexts {
  readonly model?: string;
  readonly cuts?: readonly number[];
  readonly out?: string;
}

interface ShowFlags {
  readonly model?: string;
  readonly json?: true;
  readonly quiet?: true;
  readonly color: boolean;
}

const PROGRAM = 'exits-main.js';
const MODEL = '--model <model>';

/** `rerank exits fit | show`. */
export function registerExitsCommand(program: Command): void {
  const exits = program.command('exits').description('what lets pairs leave a model early (docs/early-exit.md)');
  const fit = exits
    .command('fit')
    .description('fit heads that predict scores between the layers of a model, on texts of your own; no judgements are needed')
    .option(MODEL, 'name or folder of a cross-encoder; default: the first of RERANK_MODELS')
    .option('--pairs <file>', 'NDJSON of {"query", "passage"} or {"query", "documents": [texts]}, gzip or not')
    .option('--corpus <name>', 'documents of this corpus of the running service; needs a key with the scope ingest')
    .option('--queries <file>', 'queries to ask of the corpus, one a line or a queries.jsonl; default: they are made of its documents')
    .option('--cuts <list>', 'layers run before each cut, separated by commas; default: 1,3,6,8 of 12, and alike for others', parseCuts)
    .option('--limit <pairs>', 'pairs at most', parsePositiveInt, 20_000)
    .option('--out <file>', 'write the heads here instead of where workers look for them');
  clientAction(fit, fitExits);
  exits
    .command('show')
    .description('which heads workers of this machine use, and how good they are')
    .option(MODEL, 'name or folder of a cross-encoder; default: all of RERANK_MODELS')
    .option('--json', 'one JSON value on stdout and nothing else there')
    .option('-q, --quiet', 'no progress and no remarks, only results and errors')
    .option('--no-color', 'no colours, also on a terminal')
    .action(showExits);
}

function parseCuts(list: string): number[] {
  const cuts = /^[1-9]\d{0,3}(,[1-9]\d{0,3})*$/.test(list) ? list.split(',').map(Number) : [];
  if (cuts.length === 0 || cuts.some((cut, at) => cut <= (cuts[at - 1] ?? 0)))
    throw new InvalidArgumentError('It must be whole numbers, ascending, separated by commas.');
  return cuts;
}

async function fitExits(context: CommandContext, flags: FitFlags): Promise<void> {
  const { terminal } = context;
  const input = await openFitInput(context, flags);
  const report = await runFit(context, input, {
    ...input.job,
    ...(flags.model === undefined ? {} : { model: flags.model }),
    ...(flags.cuts === undefined ? {} : { cuts: [...flags.cuts] }),
    ...(flags.out === undefined ? {} : { out: flags.out }),
  });
  terminal.result(report, () => renderFit(report, terminal));
  for (const remark of report.remarks) terminal.note(remark);
  terminal.note(
    flags.out === undefined
      ? 'Workers use the heads from their next start on.'
      : 'No worker looks there: without --out the heads go to where they do.',
  );
}

async function runFit({ terminal, signal }: CommandContext, input: FitInput, job: ExitFitJob): Promise<ExitFitReport> {
  const stages = {
    score: createProgress('scoring', terminal.stderr, terminal.quiet),
    fit: createProgress('fitting', terminal.stderr, terminal.quiet),
  };
  let rate: ReturnType<typeof rateMeter> | undefined;
  const onMessage = (message: unknown): void => {
    const { success, data } = exitFitProgressSchema.safeParse(message);
    if (!success) return;
    rate ??= rateMeter();
    if (data.stage === 'fit') stages.score.stop();
    const detail =
      data.stage === 'score'
        ? `${formatCount(data.done)} of ${plural(data.total, 'pair')}, ${rate(data.done)}`
        : `${data.done} of ${plural(data.total, 'head')}`;
    stages[data.stage].update(data.done, data.total, detail);
  };
  async function* lines(): AsyncGenerator<string> {
    yield `${JSON.stringify(job)}\n`;
    for await (const line of input.lines()) yield `${JSON.stringify(line)}\n`;
  }
  try {
    return exitFitReportSchema.parse(await runWorkerProgram({ program: PROGRAM, args: ['fit'], input: lines(), onMessage, signal }));
  } catch (error) {
    throw signal.aborted ? new InterruptedError('Interrupted. No heads were written.') : error;
  } finally {
    stages.score.stop();
    stages.fit.stop();
  }
}

function renderFit({ model, layers, pairs, queries, path, heads, simulation }: ExitFitReport, { columns }: Terminal): string {
  const fitted = renderTable(
    [
      { title: 'after layer', align: 'right' },
      { title: 'head' },
      { title: 'σ', align: 'right' },
      { title: 'correlation', align: 'right' },
      { title: 'within a query', align: 'right' },
      { title: 'not kept' },
    ],
    heads.map(({ layer, kind, other, ...head }) => [
      String(layer),
      kind,
      ...[head.sigma, head.correlation, head.correlation_within_query].map((figure) => figure.toFixed(3)),
      `${other.kind}: σ ${other.sigma.toFixed(3)}, within ${other.correlation_within_query.toFixed(3)}`,
    ]),
    columns,
  );
  const heading = `${model.name}, ${layers} layers; ${plural(pairs, 'pair')} of ${formatCount(queries)} queries, figures on queries held out`;
  return `${heading}\n\n${fitted}\n\n${renderSimulation(simulation, columns)}\n\n${path}`;
}

function renderSimulation(simulation: ExitFitReport['simulation'], columns: number): string {
  if (simulation === null) return 'No query has 20 candidates or more, so it cannot be said what the efforts would do.';
  const table = renderTable(
    [
      { title: 'effort' },
      { title: 'margin', align: 'right' },
      { title: 'layers run', align: 'right' },
      { title: 'same top 10', align: 'right' },
    ],
    simulation.efforts.map(({ effort, margin, layers_run: run, overlap_at_10: overlap }) => [
      effort,
      `${margin} σ`,
      `${(100 * run).toFixed(0)} %`,
      `${(100 * overlap).toFixed(1)} %`,
    ]),
    columns,
  );
  return `${table}\nover ${simulation.queries} queries with ${formatCount(simulation.pairs / simulation.queries)} candidates on average`;
}

async function showExits(flags: ShowFlags): Promise<void> {
  const terminal = new Terminal({ json: flags.json === true, quiet: flags.quiet === true, color: flags.color });
  const args = ['show', ...(flags.model === undefined ? [] : [`--model=${flags.model}`])];
  const shown = exitShowSchema.parse(
    await interruptible((signal) => runWorkerProgram({ program: PROGRAM, args, onMessage: () => undefined, signal })),
  );
  terminal.result(shown, () => shown.models.map((entry) => renderShown(entry, terminal)).join('\n\n'));
  for (const remark of shown.remarks) terminal.note(remark);
}

function renderShown({ model, heads }: ExitShowBody['models'][number], { columns }: Terminal): string {
  if (heads === null) return `${model.name}: no heads, so all layers run. \`rerank exits fit\` makes some.`;
  const { source, path, fitted_on: texts, fitted_at: at, pairs, queries } = heads;
  const table = renderTable(
    [{ title: 'after layer', align: 'right' }, { title: 'head' }, { title: 'σ', align: 'right' }, { title: 'correlation', align: 'right' }],
    heads.heads.map(({ layer, kind, sigma, correlation }) => [String(layer), kind, sigma.toFixed(3), correlation.toFixed(3)]),
    columns,
  );
  const origin = source === 'fitted' ? `fitted on this machine${at === undefined ? '' : `, ${at}`}` : 'came with the worker';
  return [`${model.name}: ${origin}`, path, `${plural(pairs, 'pair')} of ${formatCount(queries)} queries: ${texts}`, '', table].join('\n');
}
