import type { BatchJobBody, JobBody } from '@rerank-fleet/client';
import { ExitCode } from '../exit-code.js';
import { formatCount, plural } from '../terminal/progress.js';

/** How a script is told of a job that has ended. */
export function exitOfJob(job: JobBody): ExitCode {
  if (job.status !== 'completed') return ExitCode.requestFailed;
  return job.request_counts.succeeded < job.request_counts.total ? ExitCode.nothingFoundOrPartial : ExitCode.ok;
}

/** `1,000 requests: 998 succeeded, 2 errored`. */
export function describeCounts({ request_counts: counts }: BatchJobBody): string {
  const { total, succeeded, errored, cancelled, expired, processing } = counts;
  const parts = [
    `${formatCount(succeeded)} succeeded`,
    ...count(errored, 'errored'),
    ...count(cancelled, 'cancelled'),
    ...count(expired, 'expired'),
    ...count(processing, 'not done'),
  ];
  return `${plural(total, 'request')}: ${parts.join(', ')}`;
}

function count(number: number, what: string): string[] {
  return number === 0 ? [] : [`${formatCount(number)} ${what}`];
}
