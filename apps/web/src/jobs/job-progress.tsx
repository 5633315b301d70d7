import { hasEnded } from '@rerank-fleet/client';
import type { JobBody } from '@rerank-fleet/core/contracts';
import type { JSX } from 'preact';
import { whole } from '../format/numbers.js';
import { duration } from '../format/times.js';
import { Facts } from '../ui/facts.js';
import { ProgressBar } from '../ui/progress-bar.js';
import { When } from '../ui/when.js';
import { announcementOf, countsOf, doneOf } from './counts-of.js';

/** How far a job is, live where it is followed. */
export function JobProgress({ job }: { job: JobBody }): JSX.Element {
  const { total } = job.request_counts;
  const eta = job.progress?.eta_s;
  return (
    <div class="progress">
      <ProgressBar label="Requests that have ended" done={doneOf(job)} total={total} />
      <p class="row fine">
        <span>
          {whole(doneOf(job))} of {whole(total)} {job.kind === 'ingest' ? 'documents' : 'requests'}
        </span>
        {!hasEnded(job) && eta !== undefined && <span>· about {duration(eta)} left</span>}
      </p>
      <p class="unseen" role="status">
        {announcementOf(job)}
      </p>
      <Facts of={[...countsOf(job).map(([name, count]) => [name, whole(count)] as const), ...ownFacts(job)]} />
    </div>
  );
}

function ownFacts(job: JobBody): readonly (readonly [string, string | JSX.Element])[] {
  const created = ['created', <When at={job.created_at} />] as const;
  if (job.kind === 'ingest') {
    const { corpus, unchanged, progress, completed_at: completedAt } = job;
    return [
      ['corpus', <a href={`#/corpora/${corpus}`}>{corpus}</a>],
      ...(unchanged === undefined ? [] : [['unchanged', whole(unchanged)] as const]),
      ...(progress === undefined ? [] : [['speed', `${progress.documents_per_s.toFixed(1)} documents/s`] as const]),
      created,
      ...(completedAt === undefined ? [] : [['ended', <When at={completedAt} />] as const]),
    ];
  }
  const { progress, priority, ended_at: endedAt, expires_at: expiresAt, retry_of: retryOf, webhook } = job;
  return [
    ['pairs', `${whole(progress.pairs_done)}${progress.pairs_total === undefined ? '' : ` of about ${whole(progress.pairs_total)}`}`],
    ['priority', whole(priority)],
    created,
    endedAt === undefined ? ['expires', <When at={expiresAt} />] : ['ended', <When at={endedAt} />],
    ...(retryOf === undefined ? [] : [['retry of', <a href={`#/jobs/${retryOf}`}>{retryOf}</a>] as const]),
    ...(webhook === undefined ? [] : [['webhook', `${webhook.status ?? 'not sent yet'}: ${webhook.url}`] as const]),
  ];
}
