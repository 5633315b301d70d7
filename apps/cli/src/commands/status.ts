import { hasEnded, type CorpusBody, type HealthBody, type ModelBody, type WorkerBody } from '@rerank-fleet/client';
import type { Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { ExitCode } from '../exit-code.js';
import { formatCount } from '../terminal/progress.js';
import { renderTable } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { exitOfJob } from '../batch/job-outcome.js';
import { renderCorpora } from './corpora.js';
import { given } from './option-parsers.js';
import { describeJob } from './render-jobs.js';
import { renderWorkers } from './render-workers.js';

export function registerStatusCommand(program: Command): void {
  const command = program
    .command('status')
    .description('health, pools, workers, models and corpora of the service; or one job')
    .argument('[job]', 'id of a job')
    .option('--wait', 'wait until the job has ended');
  clientAction(command, status);
}

async function status(context: CommandContext, job: string | undefined, flags: { readonly wait?: true }): Promise<void> {
  if (job === undefined) await showService(context);
  else await showJob(context, job, flags.wait === true);
}

async function showService({ client, terminal, signal, exitWith }: CommandContext): Promise<void> {
  const health = await client.health({ signal });
  // A service that is not healthy may still know its models and corpora, or may not.
  const [models, corpora, workers] = await Promise.allSettled([
    client.listModels({ signal }),
    client.listCorpora({ signal }),
    // Only operators are told; others see the pools.
    client.listWorkers({ signal }),
  ]);
  signal.throwIfAborted();
  const held = valueOf(models);
  const report: ServiceReport = {
    url: client.baseUrl,
    health,
    ...given({ pools: held && poolsOf(held), workers: valueOf(workers), models: held, corpora: valueOf(corpora) }),
  };
  terminal.result(report, () => renderService(report, terminal));
  const failed = [models, corpora].find((result) => result.status === 'rejected');
  if (health.status === 'error') exitWith(ExitCode.requestFailed);
  else if (failed !== undefined) throw failed.reason;
}

function valueOf<T>(result: PromiseSettledResult<T>): T | undefined {
  return result.status === 'fulfilled' ? result.value : undefined;
}

interface Pool {
  readonly pool: string;
  readonly workers: number;
  readonly models: readonly string[];
}

/** What could not be asked for is absent: of that nothing is known. */
interface ServiceReport {
  readonly url: string;
  readonly health: HealthBody;
  readonly pools?: readonly Pool[];
  readonly workers?: readonly WorkerBody[];
  readonly models?: readonly ModelBody[];
  readonly corpora?: readonly CorpusBody[];
}

/** Workers of a pool hold the same models; during a rollout a new model may have fewer. */
export function poolsOf(models: readonly ModelBody[]): Pool[] {
  const names = [...new Set(models.map(({ pool }) => pool))].sort();
  return names.map((pool) => {
    const held = models.filter((model) => model.pool === pool);
    return { pool, workers: Math.max(...held.map((model) => model.live_workers)), models: held.map(({ id }) => id) };
  });
}

function renderService(report: ServiceReport, { colors, columns }: Terminal): string {
  const mark = (state: 'ok' | 'error') => (state === 'ok' ? colors.green('ok') : colors.red('error'));
  const checks = Object.entries(report.health.checks).map(
    ([name, check]) => `  ${name}: ${mark(check.status)}${check.detail === undefined ? '' : ` (${check.detail})`}`,
  );
  const sections = [
    [`${report.url}: ${mark(report.health.status)}`, ...checks].join('\n'),
    table(report.pools, (pools) => renderPools(pools, columns), 'No worker is live.'),
    table(report.workers, (workers) => renderWorkers(workers, columns)),
    table(report.models, (models) => renderModels(models, columns)),
    table(report.corpora, (corpora) => renderCorpora(corpora, columns), 'There is no corpus yet.'),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

function table<T>(items: readonly T[] | undefined, render: (items: readonly T[]) => string, none = ''): string {
  if (items === undefined) return '';
  return items.length === 0 ? none : render(items);
}

function renderPools(pools: readonly Pool[], columns: number): string {
  const rows = pools.map(({ pool, workers, models }) => [pool, String(workers), models.join(', ')]);
  return renderTable([{ title: 'pool' }, { title: 'workers', align: 'right' }, { title: 'models', stretch: true }], rows, columns);
}

function renderModels(models: readonly ModelBody[], columns: number): string {
  const rows = models.map((model) => [
    model.id,
    model.kind,
    model.precision,
    formatCount(model.max_length),
    model.pool,
    String(model.live_workers),
    model.default ? 'default' : '',
  ]);
  const titles = [
    { title: 'model', stretch: true },
    { title: 'kind' },
    { title: 'precision' },
    { title: 'max tokens', align: 'right' },
    { title: 'pool' },
    { title: 'workers', align: 'right' },
    { title: '' },
  ] as const;
  return renderTable(titles, rows, columns);
}

async function showJob({ client, terminal, signal, exitWith }: CommandContext, id: string, wait: boolean): Promise<void> {
  const job = wait ? await client.waitForJob(id, { signal }) : await client.getJob(id, { signal });
  terminal.result(job, () => describeJob(job));
  if (hasEnded(job)) exitWith(exitOfJob(job));
}
