import type { BatchJobBody, IngestJobBody, JobBody } from '@rerank-fleet/client';
import { describeCounts } from '../batch/job-outcome.js';
import { formatDuration } from '../terminal/duration.js';
import { formatCount } from '../terminal/progress.js';
import { renderTable, type Column } from '../terminal/table.js';

const COLUMNS: readonly Column[] = [
  { title: 'job' },
  { title: 'kind' },
  { title: 'status' },
  { title: 'requests', align: 'right' },
  { title: 'done', align: 'right' },
  { title: 'errored', align: 'right' },
  { title: 'left', align: 'right' },
  { title: 'made (UTC)' },
  { title: 'about', stretch: true },
];

/** A line a job. */
export function renderJobs(jobs: readonly JobBody[], columns: number): string {
  const rows = jobs.map((job) => [
    job.id,
    job.kind,
    job.status,
    formatCount(job.request_counts.total),
    formatCount(job.request_counts.total - job.request_counts.processing),
    formatCount(job.request_counts.errored),
    job.progress?.eta_s === undefined ? '' : formatDuration(job.progress.eta_s),
    instant(job.created_at),
    aboutOf(job),
  ]);
  return renderTable(COLUMNS, rows, columns);
}

/** Everything of a job, a line a field. */
export function describeJob(job: JobBody): string {
  return job.kind === 'batch' ? describeBatch(job) : describeIngest(job);
}

function describeBatch(job: BatchJobBody): string {
  const { progress, webhook, metadata } = job;
  const total = progress.pairs_total === undefined ? '' : ` of about ${formatCount(progress.pairs_total)}`;
  const lines: (readonly [string, string | undefined])[] = [
    ['job', job.id],
    ['status', job.error === undefined ? job.status : `${job.status}: ${job.error.detail} (${job.error.code})`],
    ['retry of', job.retry_of],
    ['requests', describeCounts(job)],
    ['pairs', `${formatCount(progress.pairs_done)}${total}`],
    ['left', progress.eta_s === undefined ? undefined : formatDuration(progress.eta_s)],
    ['priority', String(job.priority)],
    ['made', instant(job.created_at)],
    ['begun', instantOf(job.in_progress_at)],
    ['ended', instantOf(job.ended_at)],
    ['expires', job.ended_at === undefined ? instant(job.expires_at) : undefined],
    [
      'webhook',
      webhook === undefined ? undefined : [webhook.url, webhook.status, webhook.detail].filter((part) => part !== undefined).join(', '),
    ],
    ...Object.entries(metadata ?? {}).map(([key, value]) => [key, value] as const),
  ];
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(10)} ${value}`])).join('\n');
}

function describeIngest({
  id,
  kind,
  corpus,
  status: state,
  request_counts: counts,
  errors,
  unchanged = 0,
  progress,
}: IngestJobBody): string {
  const parts = [
    `${formatCount(counts.succeeded)} of ${formatCount(counts.total)} stored`,
    ...(unchanged === 0 ? [] : [`${formatCount(unchanged)} of them unchanged`]),
    `${formatCount(counts.errored)} not`,
    ...(progress === undefined ? [] : [`${formatCount(progress.documents_per_s)} documents/s`, `${formatDuration(progress.eta_s)} left`]),
  ];
  const faults = errors.map(
    ({ line, document_id: document, detail }) => `  row ${line}${document === undefined ? '' : ` (${document})`}: ${detail}`,
  );
  return [`${id}: ${kind} into ${corpus}, ${state}: ${parts.join(', ')}`, ...faults].join('\n');
}

function aboutOf(job: JobBody): string {
  if (job.kind === 'ingest') return job.corpus;
  const parts = Object.entries(job.metadata ?? {}).map(([key, value]) => `${key}=${value}`);
  return [...(job.retry_of === undefined ? [] : [`retry of ${job.retry_of}`]), ...parts].join(', ');
}

function instant(epochSeconds: number): string {
  return new Date(epochSeconds * 1_000).toISOString().replace('T', ' ').replace('.000Z', '');
}

function instantOf(epochSeconds: number | undefined): string | undefined {
  return epochSeconds === undefined ? undefined : instant(epochSeconds);
}
