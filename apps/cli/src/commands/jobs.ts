import type { BatchJobBody, JobBody, ListJobsOptions } from '@rerank-fleet/client';
import { BATCH_JOB_STATUSES } from '@rerank-fleet/core/contracts';
import { Option, type Command } from 'commander';
import { describeCounts, exitOfJob } from '../batch/job-outcome.js';
import { JobProgress } from '../batch/job-progress.js';
import { clientAction, type CommandContext } from '../client-command.js';
import { CliError, InterruptedError } from '../exit-code.js';
import { registerJobsResultsCommand } from './jobs-results.js';
import { given, parsePositiveInt } from './option-parsers.js';
import { describeJob, renderJobs } from './render-jobs.js';

interface ListFlags {
  readonly limit: number;
  readonly status?: NonNullable<ListJobsOptions['status']>;
  readonly kind?: JobBody['kind'];
}

const PAGE_SIZE = 100;

export function registerJobsCommand(program: Command): void {
  const jobs = program.command('jobs').description('list, show, watch, cancel, retry and delete jobs, and read their results');
  const byId = (name: string, description: string): Command => jobs.command(name).description(description).argument('<job>', 'id of a job');
  const listing = jobs
    .command('list')
    .description('jobs, newest first')
    .option('--limit <count>', 'most jobs', parsePositiveInt, 20)
    .addOption(new Option('--status <status>', 'jobs of this status only').choices(BATCH_JOB_STATUSES))
    .addOption(new Option('--kind <kind>', 'batches, or uploads of documents').choices(['batch', 'ingest']));
  clientAction(listing, list);
  clientAction(byId('show', 'a job as it stands'), show);
  clientAction(byId('watch', 'follow a job until it has ended; Ctrl-C leaves the job alone'), watch);
  clientAction(byId('cancel', 'end a job before its time; what is done is kept'), cancel);
  clientAction(byId('retry', 'run the errored requests of a job again, as a new job'), retry);
  registerJobsResultsCommand(jobs);
  clientAction(byId('delete', 'forget a job that has ended, with its requests and results'), remove);
}

async function list({ client, terminal, signal }: CommandContext, { limit, status, kind }: ListFlags): Promise<void> {
  const found: JobBody[] = [];
  for await (const job of client.listJobs({ signal, pageSize: Math.min(limit, PAGE_SIZE), ...given({ status, kind }) })) {
    found.push(job);
    if (found.length >= limit) break;
  }
  terminal.result(found, () => (found.length === 0 ? 'There is no such job.' : renderJobs(found, terminal.columns)));
}

async function show({ client, terminal, signal }: CommandContext, id: string): Promise<void> {
  const job = await client.getJob(id, { signal });
  terminal.result(job, () => describeJob(job));
}

async function watch(context: CommandContext, id: string): Promise<void> {
  const { client, terminal, signal, exitWith } = context;
  const first = await client.getJob(id, { signal });
  const last = first.kind === 'batch' ? await watchBatch(context, first) : await client.waitForJob(id, { signal });
  terminal.result(last, () => describeJob(last));
  exitWith(exitOfJob(last));
}

async function watchBatch({ client, terminal, signal }: CommandContext, first: BatchJobBody): Promise<BatchJobBody> {
  const progress = new JobProgress(terminal);
  let latest = first;
  try {
    for await (const job of client.jobEvents(first.id, { signal })) progress.show((latest = job));
    return latest;
  } catch (error) {
    throw signal.aborted ? new InterruptedError(`Job ${first.id} goes on: ${describeCounts(latest)}.`) : error;
  } finally {
    progress.stop();
  }
}

async function cancel({ client, terminal, signal }: CommandContext, id: string): Promise<void> {
  const job = await client.cancelJob(id, { signal });
  terminal.result(job, () => `Job ${id} is ${job.status}; ${describeCounts(job)}.`);
  if (job.status !== 'cancelling' && job.status !== 'cancelled') throw new CliError(`The job had ended before it could be cancelled.`);
}

async function retry({ client, terminal, signal }: CommandContext, id: string): Promise<void> {
  const job = await client.retryJob(id, { signal });
  terminal.result(
    job,
    () => `Job ${job.id} retries ${describeCounts(job).split(':')[0]!} of ${id}; \`rerank jobs watch ${job.id}\` follows it.`,
  );
}

async function remove({ client, terminal, signal }: CommandContext, id: string): Promise<void> {
  await client.deleteJob(id, { signal });
  terminal.result({ job: id, deleted: true }, () => `Job ${id} deleted.`);
}
