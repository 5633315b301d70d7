import type { ReindexBody } from '@rerank-fleet/client';
import { formatDuration } from '../terminal/duration.js';
import { formatCount, plural } from '../terminal/progress.js';
import { renderTable, type Column } from '../terminal/table.js';

const COLUMNS: readonly Column[] = [
  { title: 'reindex' },
  { title: 'corpus' },
  { title: 'version' },
  { title: 'status' },
  { title: 'documents', align: 'right' },
  { title: 'done', align: 'right' },
  { title: 'failed', align: 'right' },
  { title: 'left', align: 'right' },
  { title: 'begun (UTC)' },
];

/** A line a reindex. */
export function renderReindexes(reindexes: readonly ReindexBody[], columns: number): string {
  const rows = reindexes.map((reindex) => [
    reindex.id,
    reindex.corpus,
    `${reindex.from_version} → ${reindex.to_version}`,
    reindex.status,
    formatCount(reindex.total),
    formatCount(reindex.created + reindex.updated + reindex.failed),
    formatCount(reindex.failed),
    reindex.eta_s === undefined ? '' : formatDuration(reindex.eta_s),
    instant(reindex.created_at),
  ]);
  return renderTable(COLUMNS, rows, columns);
}

/** Documents named that cannot be indexed; the service tells more. */
const NAMED_FAILURES = 10;

type Lines = (readonly [name: string, value: string | undefined])[];

/** Everything of a reindex, a line a field, and what can be done next. */
export function describeReindex(reindex: ReindexBody): string {
  const { error, waiting, validation, throttled_ms: throttledMs, requests_per_second: limit, documents_per_s: speed } = reindex;
  const lines: Lines = [
    ['reindex', reindex.id],
    ['corpus', `${reindex.corpus}, version ${reindex.from_version} → ${reindex.to_version}`],
    ['status', error === undefined ? reindex.status : `${reindex.status}: ${error.detail} (${error.code})`],
    ['waiting', waiting === undefined ? undefined : `${waiting.detail} (${waiting.code})`],
    ['documents', countsOf(reindex)],
    ['speed', speed === undefined ? undefined : `${formatCount(speed)} documents/s`],
    ['left', reindex.eta_s === undefined ? undefined : formatDuration(reindex.eta_s)],
    ['limit', limit === undefined ? undefined : `${plural(limit, 'document')} a second`],
    ['throttled', throttledMs === 0 ? undefined : formatDuration(throttledMs / 1_000)],
    ...(validation === undefined ? [] : describeValidation(validation)),
    ['begun', instant(reindex.created_at)],
    ['ended', reindex.ended_at === undefined ? undefined : instant(reindex.ended_at)],
    ['next', nextOf(reindex)],
  ];
  const fields = lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(10)} ${value}`]));
  return [...fields, ...describeFailures(reindex)].join('\n');
}

function countsOf({ total, created, updated, failed }: ReindexBody): string {
  const parts = [
    `${formatCount(created)} built`,
    ...(updated === 0 ? [] : [`${formatCount(updated)} written meanwhile`]),
    ...(failed === 0 ? [] : [`${formatCount(failed)} failed`]),
  ];
  return `${parts.join(', ')} of ${formatCount(total)}`;
}

function describeValidation(validation: NonNullable<ReindexBody['validation']>): Lines {
  const { documents, repaired, queries, overlap, ndcg, failures } = validation;
  const counts = `${formatCount(documents.found)} of ${plural(documents.expected, 'document')} found`;
  return [
    ['validation', [counts, ...(repaired === 0 ? [] : [`${formatCount(repaired)} repaired`]), ...failures].join('; ')],
    ['queries', overlap === undefined ? undefined : `${formatCount(queries)}; both find ${share(overlap)} of the first ten alike`],
    ['ndcg@10', ndcg === undefined ? undefined : `${ndcg.before.toFixed(4)} → ${ndcg.after.toFixed(4)}`],
  ];
}

function nextOf({ id, status, from_version: before }: ReindexBody): string | undefined {
  if (status === 'ready') return `\`rerank reindex promote ${id}\` puts it in use, \`rerank reindex cancel ${id}\` drops it`;
  return status === 'completed' ? `\`rerank reindex rollback ${id}\` goes back to version ${before}, as long as it is kept` : undefined;
}

function describeFailures({ failures, failed }: ReindexBody): string[] {
  const named = failures.slice(0, NAMED_FAILURES).map(({ document_id: document, detail }) => `  ${document}: ${detail}`);
  return failed > named.length && named.length > 0 ? [...named, `  and ${formatCount(failed - named.length)} more`] : named;
}

function share(value: number): string {
  return `${(100 * value).toFixed(1)}%`;
}

function instant(epochSeconds: number): string {
  return new Date(epochSeconds * 1_000).toISOString().replace('T', ' ').replace('.000Z', '');
}
