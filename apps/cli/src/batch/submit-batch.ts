import { RerankApiError, RerankConnectionError, type BatchJobBody, type JobOptionsParameters } from '@rerank-fleet/client';
import type { CommandContext } from '../client-command.js';
import { CliError, InterruptedError } from '../exit-code.js';
import { createProgress, formatCount } from '../terminal/progress.js';
import type { BatchRun } from './batch-run.js';
import type { BatchSource } from './batch-source.js';
import { resumeCommand } from './resume-command.js';

export interface Submission {
  readonly source: BatchSource;
  readonly options: JobOptionsParameters;
}

/** The service's rows are lines of what it was sent: options go in as a line of their own. */
export function rowShiftOf({ source, options }: Submission): number {
  return (Object.keys(options).length > 0 ? 1 : 0) - source.linesTaken;
}

/** Sends the requests; the run knows its job when it resolves. What was refused leaves nothing behind, what may have been accepted stays to be resumed. */
export async function submitBatch(context: CommandContext, run: BatchRun, submission: Submission): Promise<BatchJobBody> {
  const { client, signal } = context;
  await run.note({ row_shift: rowShiftOf(submission) });
  const upload = uploadProgress(context, submission.source);
  try {
    const job = await client.submitJob(
      { ...submission.options, ndjson: submission.source.lines },
      { idempotencyKey: run.state.idempotency_key, signal, onUpload: upload.show },
    );
    await run.note({ job: job.id });
    return job;
  } catch (error) {
    upload.stop();
    if (signal.aborted) {
      await run.leave();
      throw new InterruptedError(`Interrupted before the service had said that it has everything; ${whatToDo(run)}`);
    }
    if (
      submission.source.linesTaken === 0 &&
      run.state.row_shift > 0 &&
      error instanceof RerankApiError &&
      error.code === 'invalid_request'
    )
      context.terminal.note('Lines are counted as they were sent: the options of the command line are line 1.');
    if (leavesNothing(error)) await run.forget();
    else {
      await run.leave();
      context.terminal.note(`Whether the service has the job is not known; ${whatToDo(run)}`);
    }
    throw error;
  } finally {
    upload.stop();
  }
}

export interface UploadBar {
  readonly show: (progress: { readonly bytes: number }) => void;
  readonly stop: () => void;
}

export function uploadProgress({ terminal }: Pick<CommandContext, 'terminal'>, source: BatchSource): UploadBar {
  const bar = createProgress('sending', terminal.stderr, terminal.quiet);
  return {
    show: ({ bytes }) => bar.update(source.bytesRead(), source.totalBytes, `${formatCount(bytes / 1e6)} MB`),
    stop: () => bar.stop(),
  };
}

function whatToDo(run: BatchRun): string {
  return run.path === undefined
    ? '`rerank jobs list` shows whether there is a job of it.'
    : `${resumeCommand(run.path)} makes sure of it, once.`;
}

/** The service has said no, or nobody was there, or the source cannot be read: there is no job. A conflict says that there is one. */
function leavesNothing(error: unknown): boolean {
  if (error instanceof RerankApiError) return error.status < 500 && error.code !== 'idempotency_conflict';
  return error instanceof CliError || (error instanceof RerankConnectionError && error.refused);
}
