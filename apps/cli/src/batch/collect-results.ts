import type { BatchJobBody, RerankClient } from '@rerank-fleet/client';
import type { CommandContext } from '../client-command.js';
import { CliError, InterruptedError } from '../exit-code.js';
import { formatCount } from '../terminal/progress.js';
import type { BatchFailures } from './batch-failures.js';
import type { BatchRun } from './batch-run.js';
import { InterruptChoice } from './interrupt-choice.js';
import { JobProgress } from './job-progress.js';
import { resumeCommand } from './resume-command.js';

/** A service that is rolled out or moved is back within this time. */
const OUTAGE_MS = 600_000;

export interface CollectOptions {
  readonly run: BatchRun;
  readonly job: string;
  readonly failures: BatchFailures;
  /** Stdin may be asked what an interrupt means. */
  readonly canAsk: boolean;
}

/**
 * Reads the results of a job until it has ended, and shows how far it is.
 *
 * @throws InterruptedError when it was left to itself; the run can be resumed then, as after every other error
 */
export async function collectResults(context: CommandContext, options: CollectOptions): Promise<BatchJobBody> {
  const { client, terminal } = context;
  const { run, job: id } = options;
  const detached = new AbortController();
  const signal = AbortSignal.any([context.signal, detached.signal]);
  const progress = new JobProgress(terminal);
  const watched = new AbortController();
  const interrupts = new InterruptChoice({
    terminal,
    canAsk: options.canAsk,
    question: `Job ${id}: [d]etach and leave it running, or [c]ancel it? `,
    detach: () => detached.abort(new InterruptedError('Interrupted.')),
    cancel: () => void cancel(context, id),
    pause: () => progress.pause(),
    resume: () => progress.resume(),
  });
  void watch(client, { id, progress, signal: AbortSignal.any([signal, watched.signal]) });
  try {
    await appendResults(client, options, signal);
    return await endOf(client, id, signal);
  } catch (error) {
    progress.stop();
    await run.leave();
    if (signal.aborted) throw new InterruptedError(`Detached. The service goes on with job ${id}; ${howToGoOn(run, id)}`);
    terminal.note(`Job ${id} is not lost; ${howToGoOn(run, id)}`);
    throw error;
  } finally {
    watched.abort();
    interrupts.dispose();
    progress.stop();
  }
}

async function appendResults(client: RerankClient, { run, job: id, failures }: CollectOptions, signal: AbortSignal): Promise<void> {
  const { order, row_shift: shift } = run.state;
  for await (const { cursor, ...line } of client.jobResults(id, { follow: true, order, after: run.cursor, outageMs: OUTAGE_MS, signal })) {
    const own = { ...line, row: line.row - shift };
    failures.add(own);
    await run.append(JSON.stringify(own), cursor);
  }
  const { total } = (await endOf(client, id, signal)).request_counts;
  if (run.lines !== total) throw new CliError(`The service gave ${formatCount(run.lines)} results of ${formatCount(total)}.`);
}

async function endOf(client: RerankClient, id: string, signal: AbortSignal): Promise<BatchJobBody> {
  const job = await client.getJob(id, { signal });
  if (job.kind !== 'batch') throw new CliError(`${id} is no job of searches and reranks.`);
  return job;
}

/** What is shown is a remark: the results decide. */
async function watch(
  client: RerankClient,
  { id, progress, signal }: { readonly id: string; readonly progress: JobProgress; readonly signal: AbortSignal },
): Promise<void> {
  try {
    for await (const job of client.jobEvents(id, { signal, outageMs: OUTAGE_MS })) progress.show(job);
  } catch {
    // Nothing is shown then.
  }
}

async function cancel({ client, terminal }: CommandContext, id: string): Promise<void> {
  try {
    await client.cancelJob(id);
    terminal.note(`Cancelling job ${id}. What is done is kept.`);
  } catch (error) {
    terminal.warn(`The job could not be cancelled: ${(error as Error).message}`);
  }
}

function howToGoOn(run: BatchRun, id: string): string {
  if (run.path !== undefined) return `${resumeCommand(run.path)} goes on here.`;
  const after = run.cursor === undefined ? '' : ` --after ${run.cursor}`;
  const order = run.state.order === 'completion' ? '' : ` --order ${run.state.order}`;
  return `\`rerank jobs results ${id}${order}${after}\` gives the rest.`;
}
