import type { ReindexBody } from '@rerank-fleet/client';
import type { CommandContext } from '../client-command.js';
import { ExitCode, InterruptedError } from '../exit-code.js';
import { formatDuration } from '../terminal/duration.js';
import { createProgress, formatCount, plural } from '../terminal/progress.js';
import { describeReindex } from './render-reindex.js';

/** Follows a reindex to its end, or until it waits to be promoted. It goes on whatever becomes of the one who watches. */
export async function watchReindex({ client, terminal, signal, exitWith }: CommandContext, id: string): Promise<void> {
  const bar = createProgress('reindexing', terminal.stderr, terminal.quiet);
  let latest: ReindexBody | undefined;
  try {
    const ended = await client.reindexes.wait(id, {
      signal,
      onProgress: (reindex) => {
        latest = reindex;
        bar.update(doneOf(reindex), reindex.total, progressOf(reindex));
      },
    });
    bar.stop();
    terminal.result(ended, () => describeReindex(ended));
    exitWith(exitOfReindex(ended));
  } catch (error) {
    throw signal.aborted && latest !== undefined ? interrupted(latest) : error;
  } finally {
    bar.stop();
  }
}

/** How a script is told: a reindex that waits to be promoted has done what it was asked for. */
export function exitOfReindex({ status, failed }: Pick<ReindexBody, 'status' | 'failed'>): ExitCode {
  if (status !== 'completed' && status !== 'ready') return ExitCode.requestFailed;
  return failed > 0 ? ExitCode.nothingFoundOrPartial : ExitCode.ok;
}

export function progressOf(reindex: ReindexBody): string {
  const { total, status, failed, documents_per_s: speed, eta_s: eta, throttled_ms: throttledMs, waiting } = reindex;
  const parts = [
    `${formatCount(doneOf(reindex))} of ${plural(total, 'document')}`,
    ...(speed === undefined ? [] : [`${formatCount(speed)} documents/s`]),
    ...(eta === undefined ? [] : [`${formatDuration(eta)} left`]),
    ...(throttledMs < 1_000 ? [] : [`${formatDuration(throttledMs / 1_000)} throttled`]),
    ...(failed === 0 ? [] : [`${formatCount(failed)} failed`]),
    ...(status === 'building' ? [] : [status]),
    ...(waiting === undefined ? [] : [`waiting: ${waiting.detail}`]),
  ];
  return parts.join(', ');
}

function doneOf({ created, updated, failed }: ReindexBody): number {
  return created + updated + failed;
}

function interrupted(reindex: ReindexBody): InterruptedError {
  const { id } = reindex;
  return new InterruptedError(`Reindex ${id} goes on: ${progressOf(reindex)}. \`rerank reindex watch ${id}\` follows it.`);
}
