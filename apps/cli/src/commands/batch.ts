import { randomUUID } from 'node:crypto';
import type { BatchJobBody, JobEstimateBody } from '@rerank-fleet/client';
import { Option, type Command } from 'commander';
import { BatchFailures } from '../batch/batch-failures.js';
import { StdoutRun, type BatchRun, type NewRun } from '../batch/batch-run.js';
import { openBatchSource } from '../batch/batch-source.js';
import { collectResults } from '../batch/collect-results.js';
import { InterruptChoice } from '../batch/interrupt-choice.js';
import { jobOptionsOf } from '../batch/job-options.js';
import { describeCounts, exitOfJob } from '../batch/job-outcome.js';
import { ResultFile } from '../batch/result-file.js';
import { resumeCommand } from '../batch/resume-command.js';
import { rowShiftOf, submitBatch, uploadProgress } from '../batch/submit-batch.js';
import { clientAction, type CommandContext } from '../client-command.js';
import { CliError, ExitCode, InterruptedError, usageError } from '../exit-code.js';
import { formatDuration } from '../terminal/duration.js';
import { formatCount, plural } from '../terminal/progress.js';
import { checkCorpusName } from './corpus-argument.js';
import { given, parseNonNegativeInt, parsePositiveInt } from './option-parsers.js';

interface BatchCommandFlags {
  readonly output?: string;
  readonly corpus?: string;
  readonly topK?: number;
  readonly topN?: number;
  readonly model?: string;
  readonly priority?: number;
  readonly expiresIn?: number;
  readonly strict?: true;
  readonly order: 'completion' | 'submission';
  readonly estimate?: true;
  readonly detach?: true;
  readonly resume?: true;
  readonly webhook?: string;
  readonly webhookSecretEnv?: string;
}

export function registerBatchCommand(program: Command): void {
  const command = program
    .command('batch')
    .description('run a file of searches and reranks as one job, and write their results')
    .argument('[source]', 'NDJSON file (also .gz) with one request a line, or - for stdin; with --resume only where it was not sent whole')
    .option('-o, --output <file>', 'where results go; default: stdout')
    .option('-c, --corpus <name>', 'corpus of searches that name none')
    .option('-k, --top-k <count>', 'candidates of searches that say no number', parsePositiveInt)
    .option('-n, --top-n <count>', 'results of requests that say no number', parsePositiveInt)
    .option('-m, --model <name>', 'reranker of requests that name none')
    .option('--priority <number>', '0 to 100; lower goes first among your jobs; the service takes 50', parseNonNegativeInt)
    .option('--expires-in <seconds>', 'give up what is not done by then; the service takes a day', parsePositiveInt)
    .option('--strict', 'one bad request refuses the whole job')
    .addOption(new Option('--order <order>', 'of the results').choices(['completion', 'submission']).default('completion'))
    .option('--estimate', 'say what the job would cost, and run nothing')
    .option('--detach', 'end when the service has accepted the job')
    .option('--resume', 'go on with the run to --output that was interrupted, wherever that was')
    .option('--webhook <url>', 'address that gets the job when it has ended')
    .option('--webhook-secret-env <name>', 'variable that holds the secret which the webhook is signed with');
  // Ctrl-C is a question here.
  clientAction(command, batch, { interruptedBy: ['SIGTERM', 'SIGHUP'] });
}

async function batch(context: CommandContext, path: string | undefined, flags: BatchCommandFlags): Promise<void> {
  assertSensible(context, path, flags);
  if (flags.estimate === true) {
    await interruptibly(context, (stoppable) => estimate(stoppable, path!, flags));
    return;
  }
  // From before there is anything of the run that a Ctrl-C could leave behind.
  const begun = await interruptibly(context, async (stoppable) => {
    const run = await openRun(context, path, flags);
    if (run === undefined) return undefined;
    const source = path ?? (run.state.source === '' ? undefined : run.state.source);
    return { run, job: run.state.job ?? (await submit(stoppable, run, source)) };
  });
  if (begun === undefined) return;
  const { run, job } = begun;
  const failures = new BatchFailures();
  if (flags.detach === true) {
    await run.leave();
    sayDetached(context, run, job);
    return;
  }
  const canAsk = process.stdin.isTTY && context.terminal.stderr.isTTY === true && path !== '-';
  const ended = await collectResults(context, { run, job, failures, canAsk });
  await run.finish();
  conclude(context, { job: ended, run, failures });
}

function assertSensible({ terminal }: CommandContext, path: string | undefined, flags: BatchCommandFlags): void {
  if (flags.corpus !== undefined) checkCorpusName(flags.corpus);
  if (path === undefined && flags.resume !== true) throw usageError('Say which file holds the requests; - is stdin.');
  if (flags.resume === true && flags.output === undefined)
    throw usageError('--resume goes on with a run to a file: name it with --output.');
  if (flags.resume === true && flags.estimate === true) throw usageError('--resume and --estimate do not go together.');
  const isQuietAboutResults = flags.estimate === true || flags.detach === true;
  if (terminal.json && flags.output === undefined && !isQuietAboutResults)
    throw usageError('With --json stdout holds one JSON value: name a file for the results with --output.');
}

/** Ctrl-C ends it: nothing is running yet that could be left behind. */
async function interruptibly<T>(context: CommandContext, work: (context: CommandContext) => Promise<T>): Promise<T> {
  const interrupted = new AbortController();
  const detach = (): void => interrupted.abort(new InterruptedError('Interrupted.'));
  const nothing = (): void => undefined;
  const { terminal } = context;
  const choice = new InterruptChoice({ terminal, canAsk: false, question: '', detach, cancel: nothing, pause: nothing, resume: nothing });
  try {
    return await work({ ...context, signal: AbortSignal.any([context.signal, interrupted.signal]) });
  } finally {
    choice.dispose();
  }
}

/** A new run, or the one to go on with; undefined where that is complete. */
async function openRun(
  { client, terminal }: CommandContext,
  path: string | undefined,
  flags: BatchCommandFlags,
): Promise<BatchRun | undefined> {
  const { output, order, corpus, topK, topN, model, priority, expiresIn, strict, webhook, webhookSecretEnv } = flags;
  if (flags.resume === true && output !== undefined) {
    const run = await ResultFile.resume(output);
    if (run === 'complete') {
      terminal.result({ output, complete: true }, () => `${output} is complete; there is nothing to resume.`);
      return undefined;
    }
    if (run.state.url !== client.baseUrl) terminal.warn(`The run began at ${run.state.url}; this is ${client.baseUrl}.`);
    return run;
  }
  const state: NewRun = {
    url: client.baseUrl,
    idempotency_key: randomUUID(),
    source: path ?? '',
    order,
    flags: given({ corpus, topK, topN, model, priority, expiresIn, strict, webhook, webhookSecretEnv }),
    row_shift: 0,
  };
  // Nothing is written before the source and the options are known to be good.
  jobOptionsOf(state.flags, {});
  return output === undefined ? new StdoutRun(terminal.stdout, state) : await ResultFile.begin(output, state);
}

async function submit(context: CommandContext, run: BatchRun, path: string | undefined): Promise<string> {
  let submission;
  try {
    const source = await openBatchSource(path!);
    submission = { source, options: jobOptionsOf(run.state.flags, source.options) };
  } catch (error) {
    await run.forget();
    throw error;
  }
  const job = await submitBatch(context, run, submission);
  context.terminal.note(`Job ${job.id}: ${plural(job.request_counts.total, 'request')}.`);
  return job.id;
}

function sayDetached({ terminal }: CommandContext, { path }: BatchRun, id: string): void {
  const how = path === undefined ? `\`rerank jobs results ${id} --follow\`` : resumeCommand(path);
  terminal.result({ job: id, ...(path === undefined ? {} : { output: path }) }, () => `Job ${id} accepted; ${how} gets its results.`);
}

function conclude(context: CommandContext, end: { job: BatchJobBody; run: BatchRun; failures: BatchFailures }): void {
  const { terminal, exitWith } = context;
  const { job, run, failures } = end;
  const failed = job.request_counts.total - job.request_counts.succeeded;
  const text = `${describeCounts(job)} (job ${job.id}).${run.path === undefined ? '' : ` Results: ${run.path}`}`;
  if (run.path === undefined) terminal.note(text);
  else terminal.result({ job, output: run.path, failure_count: failed, failures: failures.named }, () => text);
  if (failed > 0) terminal.warn(failures.describe(run.state.source === '-' ? 'stdin' : run.state.source, failed));
  exitWith(exitOfJob(job));
  if (job.status !== 'completed')
    throw new CliError(`Job ${job.id} ${job.status}${job.error === undefined ? '' : `: ${job.error.detail}`}.`);
}

async function estimate(context: CommandContext, path: string, flags: BatchCommandFlags): Promise<void> {
  const { client, terminal, signal, exitWith } = context;
  const source = await openBatchSource(path);
  const options = jobOptionsOf(flags, source.options);
  const upload = uploadProgress(context, source);
  let found: JobEstimateBody;
  try {
    found = await client.estimateJob({ ...options, ndjson: source.lines }, { signal, onUpload: upload.show });
  } finally {
    upload.stop();
  }
  const shift = rowShiftOf({ source, options });
  const errors = found.errors.map((error) => ({ ...error, row: error.row - shift }));
  terminal.result({ ...found, errors }, () => describeEstimate(found));
  if (found.rejected === 0) return;
  const lines = errors.map(({ row, code, detail }) => `\n  ${source.name}:${row}: ${detail} (${code})`);
  const more = found.rejected > errors.length ? `\n  and ${formatCount(found.rejected - errors.length)} more` : '';
  terminal.warn(`${plural(found.rejected, 'request is', 'requests are')} not valid:${lines.join('')}${more}`);
  exitWith(ExitCode.nothingFoundOrPartial);
}

function describeEstimate({ requests, rejected, pairs, tokens, seconds }: JobEstimateBody): string {
  const time =
    seconds === undefined ? 'no worker is live to tell how long' : `about ${formatDuration(seconds)} on the workers that are live`;
  return `${plural(requests, 'request')} (${formatCount(rejected)} not valid): ${plural(pairs, 'pair')}, about ${plural(tokens, 'token')}, ${time}.`;
}
