import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { hasEnded, type JobResultsOptions } from '@rerank-fleet/client';
import { Option, type Command } from 'commander';
import { ResultOutput } from '../batch/result-output.js';
import { cannotWrite } from '../batch/run-state.js';
import { clientAction, type CommandContext } from '../client-command.js';
import { InterruptedError, usageError } from '../exit-code.js';
import { plural } from '../terminal/progress.js';
import { given } from './option-parsers.js';

interface ResultsFlags {
  readonly output?: string;
  readonly after?: string;
  readonly order: 'completion' | 'submission';
  readonly errors?: true;
  readonly follow?: true;
}

export function registerJobsResultsCommand(jobs: Command): void {
  const command = jobs
    .command('results')
    .description('result lines of a job as the service has them, also while it runs')
    .argument('<job>', 'id of a job')
    .option('-o, --output <file>', 'where they go; default: stdout')
    .option('--after <cursor>', 'go on behind the line with this cursor')
    .addOption(new Option('--order <order>', 'of the lines').choices(['completion', 'submission']).default('completion'))
    .option('--errors', 'only lines of requests that errored')
    .option('--follow', 'go on until the job has ended');
  clientAction(command, results);
}

async function results(context: CommandContext, id: string, flags: ResultsFlags): Promise<void> {
  if (flags.output === undefined && context.terminal.json)
    throw usageError('Result lines are JSON already; --json goes with --output, and says what was written.');
  if (flags.output === undefined)
    await copy(context, { id, flags, output: new ResultOutput(context.terminal.stdout), goOn: (cursor) => `--after ${cursor} goes on.` });
  else await copyToFile(context, { id, flags, path: flags.output });
}

interface Copied {
  readonly lines: number;
  readonly cursor: string | undefined;
}

async function copyToFile(context: CommandContext, { id, flags, path }: { id: string; flags: ResultsFlags; path: string }): Promise<void> {
  const draft = `${path}.part`;
  const file = createWriteStream(draft);
  const closed = finished(file);
  const failed = closed.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  // The same file again would begin anew, and lose what lies before the cursor.
  const goOn = (cursor: string): string => `What came is in ${draft}; --after ${cursor} gives the rest, into another file.`;
  try {
    const { lines, cursor } = await Promise.race([
      copy(context, { id, flags, output: new ResultOutput(file), goOn }),
      failed.then((failure) => {
        throw cannotWrite(draft, failure?.error);
      }),
    ]);
    file.end();
    await closed;
    await rename(draft, path);
    context.terminal.result({ job: id, output: path, lines, ...given({ cursor }) }, () => `${plural(lines, 'line')} written to ${path}.`);
  } finally {
    // All that lies before the cursor that was told.
    file.end();
    await failed;
  }
}

interface CopyTarget {
  readonly id: string;
  readonly flags: ResultsFlags;
  readonly output: ResultOutput;
  /** What an interrupted copy says of the lines behind the cursor. */
  readonly goOn: (cursor: string) => string;
}

async function copy({ client, terminal, signal }: CommandContext, { id, flags, output, goOn }: CopyTarget): Promise<Copied> {
  const query: JobResultsOptions = {
    signal,
    after: flags.after,
    order: flags.order,
    follow: flags.follow,
    ...(flags.errors ? { status: 'errored' } : {}),
  };
  let cursor = flags.after;
  let lines = 0;
  try {
    for await (const line of client.jobResults(id, query)) {
      cursor = line.cursor;
      lines += 1;
      await output.append(JSON.stringify(line));
    }
  } catch (error) {
    await output.finish();
    throw signal.aborted ? new InterruptedError(`Interrupted.${cursor === undefined ? '' : ` ${goOn(cursor)}`}`) : error;
  }
  await output.finish();
  if (flags.follow !== true && !hasEnded(await client.getJob(id, { signal })))
    terminal.note(
      `The job goes on; ${cursor === undefined ? 'there are no lines yet' : `--after ${cursor} gives what comes behind these lines`}.`,
    );
  return { lines, cursor };
}
