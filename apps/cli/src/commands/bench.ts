import { writeFile } from 'node:fs/promises';
import { engineBenchSchema, type EngineBenchBody } from '@rerank-fleet/core/contracts';
import { InvalidArgumentError, type Command } from 'commander';
import { CliError } from '../exit-code.js';
import { formatCount } from '../terminal/progress.js';
import { renderTable } from '../terminal/table.js';
import { Terminal } from '../terminal/terminal.js';
import { renderBenchPlot } from './bench-plot.js';
import { interruptible } from './interruptible.js';
import { parsePositiveInt } from './option-parsers.js';
import { runWorkerProgram } from './worker-program.js';

interface BenchFlags {
  readonly length: number;
  readonly rounds: number;
  readonly budgets?: readonly number[];
  readonly svg?: string;
  readonly json?: true;
  readonly quiet?: true;
  readonly color: boolean;
}

/** Repetitions this far apart say that something else used the machine. */
const UNQUIET_SPREAD = 0.15;

/** `rerank bench`: what batch budget and split of the cores suit this machine. */
export function registerBenchCommand(program: Command): void {
  program
    .command('bench')
    .description('time a model on this machine by batch budget and by split of the cores; needs no running service')
    .argument('[model]', 'name or folder of a cross-encoder; default: the first of RERANK_MODELS')
    .option('--length <tokens>', 'tokens of each pair; the longest is what the model takes', parsePositiveInt, 96)
    .option('--rounds <count>', 'repetitions; the median counts', parsePositiveInt, 3)
    .option('--budgets <list>', 'padded tokens of a batch, separated by commas; default: steps around the default', parseBudgets)
    .option('--svg <file>', 'draw the curve into this file')
    .option('--json', 'one JSON value on stdout and nothing else there')
    .option('-q, --quiet', 'no progress and no remarks, only results and errors')
    .option('--no-color', 'no colours, also on a terminal')
    .action(bench);
}

function parseBudgets(list: string): number[] {
  if (!/^[1-9]\d{0,6}(,[1-9]\d{0,6})*$/.test(list)) throw new InvalidArgumentError('It must be whole numbers, separated by commas.');
  return list.split(',').map(Number);
}

async function bench(model: string | undefined, flags: BenchFlags): Promise<void> {
  const terminal = new Terminal({ json: flags.json === true, quiet: flags.quiet === true, color: flags.color });
  const report = await interruptible((signal) => runBench(argumentsOf(model, flags), terminal, signal));
  terminal.result(report, () => renderReport(report, terminal));
  for (const remark of report.left_out) terminal.note(`Left out: ${remark}.`);
  if ([...report.points, ...(report.segments ?? [])].some(({ spread }) => spread > UNQUIET_SPREAD)) {
    terminal.note('Repetitions differ by more than 15 %: something else uses this machine. Run it again when it is quiet.');
  }
  if (flags.svg !== undefined) {
    await writeFile(flags.svg, renderBenchPlot(report)).catch((error: unknown) => {
      throw new CliError(
        `The plot cannot be written to ${flags.svg} (${(error as NodeJS.ErrnoException).code ?? 'for an unknown reason'}).`,
      );
    });
    terminal.note(`The plot is in ${flags.svg}.`);
  }
}

function argumentsOf(model: string | undefined, { length, rounds, budgets }: BenchFlags): string[] {
  return [
    ...(model === undefined ? [] : [`--model=${model}`]),
    `--length=${length}`,
    `--rounds=${rounds}`,
    ...(budgets === undefined ? [] : [`--budgets=${budgets.join(',')}`]),
  ];
}

async function runBench(args: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<EngineBenchBody> {
  const onMessage = (message: unknown): void => {
    if (isProgress(message)) terminal.note(`round ${message.round}`);
  };
  return engineBenchSchema.parse(await runWorkerProgram({ program: 'bench-main.js', args, onMessage, signal }));
}

function isProgress(message: unknown): message is { readonly round: number } {
  return typeof message === 'object' && message !== null && 'round' in message;
}

function renderReport(report: EngineBenchBody, terminal: Terminal): string {
  const { segments = [] } = report;
  const tables = [renderPoints(report, terminal)];
  if (segments.length > 0)
    tables.push('Its segments, which `effort` below full runs one by one, in the first split:', renderSegments(segments, terminal));
  return tables.join('\n\n');
}

type Speed = Pick<EngineBenchBody['points'][number], 'max_batch_tokens' | 'pairs_per_batch' | 'pairs_per_s' | 'tokens_per_s' | 'spread'>;

const SPEED_TITLES = [
  { title: 'batch tokens', align: 'right' },
  { title: 'pairs', align: 'right' },
  { title: 'pairs/s', align: 'right' },
  { title: 'tokens/s', align: 'right' },
  { title: 'of best', align: 'right' },
  { title: 'spread', align: 'right' },
] as const;

/** @param best pairs a second of those that it is held against */
function speedCells({ max_batch_tokens, pairs_per_batch, pairs_per_s, tokens_per_s, spread }: Speed, best: number, { colors }: Terminal) {
  return [
    formatCount(max_batch_tokens),
    formatCount(pairs_per_batch),
    { text: pairs_per_s.toFixed(1), paint: pairs_per_s === best ? colors.green : String },
    formatCount(tokens_per_s),
    `${Math.round((100 * pairs_per_s) / best)} %`,
    `${Math.round(100 * spread)} %`,
  ];
}

function renderSegments(segments: NonNullable<EngineBenchBody['segments']>, terminal: Terminal): string {
  const rows = segments.map((point) => {
    const best = Math.max(...segments.filter(({ layers }) => layers === point.layers).map((each) => each.pairs_per_s));
    return [point.layers, ...speedCells(point, best, terminal)];
  });
  return renderTable([{ title: 'layers' }, ...SPEED_TITLES], rows, terminal.columns);
}

function renderPoints({ model, machine, points, sequence_tokens: length }: EngineBenchBody, terminal: Terminal): string {
  const best = Math.max(...points.map((point) => point.pairs_per_s));
  const rows = points.map((point) => [`${point.sessions} × ${point.intra_op_threads}`, ...speedCells(point, best, terminal)]);
  const heading = `${model.name} (${model.precision}) on ${machine.name}, ${machine.cores} cores, ${machine.device}; pairs of ${length} tokens`;
  return `${heading}\n\n${renderTable([{ title: 'sessions × threads' }, ...SPEED_TITLES], rows, terminal.columns)}`;
}
