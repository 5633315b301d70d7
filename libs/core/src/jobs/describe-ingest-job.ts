import type { IngestJobBody, IngestOutcome } from '../contracts/index.js';
import type { IngestJobRecord } from './ingest-job-record.js';

/** Errors kept in a job; the rest is only counted. */
export const INGEST_ERRORS_KEPT = 100;

/** What came of a slice, and when, in epoch milliseconds; outcomes of older workers do not tell the time. */
export type FinishedSlice = IngestOutcome & { readonly finished_ms?: number | undefined };

/** Either when the job ended or what time it is, in epoch milliseconds. */
export type JobMoment = { readonly completedMs: number } | { readonly nowMs: number };

/** An upload as clients see it. */
export function describeIngestJob(record: IngestJobRecord, outcomes: readonly FinishedSlice[], moment: JobMoment): IngestJobBody {
  const succeeded = sum(outcomes, (outcome) => outcome.succeeded);
  const failed = sum(outcomes, (outcome) => outcome.errors.length);
  const processing = record.total - record.rejected - succeeded - failed;
  const finished = outcomes.length === record.slices.length;
  const unchanged = outcomes.some((outcome) => outcome.unchanged !== undefined)
    ? sum(outcomes, (outcome) => outcome.unchanged ?? 0)
    : undefined;
  const speed = finished || !('nowMs' in moment) ? undefined : documentsPerSecond(outcomes, moment.nowMs);
  const completedMs = 'completedMs' in moment ? moment.completedMs : record.created_ms;
  return {
    id: record.id,
    object: 'job',
    kind: 'ingest',
    corpus: record.corpus,
    status: finished ? 'completed' : outcomes.length > 0 ? 'in_progress' : 'queued',
    request_counts: { total: record.total, processing, succeeded, errored: record.rejected + failed },
    errors: [...record.errors, ...outcomes.flatMap((outcome) => outcome.errors)].slice(0, INGEST_ERRORS_KEPT),
    ...(unchanged === undefined ? {} : { unchanged }),
    ...(speed === undefined ? {} : { progress: { documents_per_s: round(speed), eta_s: Math.ceil(processing / speed) } }),
    created_at: Math.floor(record.created_ms / 1_000),
    ...(finished ? { completed_at: Math.floor(completedMs / 1_000) } : {}),
    urls: { self: `/v1/jobs/${record.id}` },
  };
}

/** Gaps between slices that may pass before the time since the last one counts against the speed. */
const USUAL_GAPS = 2;

/**
 * The slices after the first, by the time since it: the first one's own time is not known, as it may have waited. Undefined before two are done.
 */
function documentsPerSecond(outcomes: readonly FinishedSlice[], nowMs: number): number | undefined {
  const timed = outcomes
    .flatMap(({ finished_ms: at, succeeded, errors }) => (at === undefined ? [] : [{ at, documents: succeeded + errors.length }]))
    .sort((a, b) => a.at - b.at);
  const [first, last] = [timed[0], timed.at(-1)];
  if (first === undefined || last === undefined || last.at <= first.at) return undefined;
  const spanMs = last.at - first.at;
  const usualMs = (USUAL_GAPS * spanMs) / (timed.length - 1);
  const idleMs = Math.max(0, nowMs - last.at - usualMs);
  const documents = sum(timed.slice(1), (slice) => slice.documents);
  return documents === 0 ? undefined : (documents * 1_000) / (spanMs + idleMs);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function round(speed: number): number {
  return Number(speed.toPrecision(3));
}
