import type { ReindexBody } from '@rerank-fleet/core/contracts';
import { isOpen, type CorpusRecord, type ReindexRecord, type ReindexValidation } from '@rerank-fleet/core/domain';

/**
 * A reindex as clients see it. Who holds it is not told.
 *
 * @param nowMs epoch milliseconds of Redis TIME
 */
export function describeReindex({ corpus }: Pick<CorpusRecord, 'corpus'>, reindex: ReindexRecord, nowMs: number): ReindexBody {
  const { requestsPerSecond, checkpoint, waiting, validation, error, endedAt } = reindex;
  const speed = speedOf(reindex);
  const eta = speed === undefined ? undefined : secondsLeft(reindex, speed, nowMs);
  return {
    id: reindex.id,
    object: 'reindex',
    corpus,
    from_version: reindex.fromVersion,
    to_version: reindex.toVersion,
    status: reindex.status,
    promote: reindex.promote,
    total: reindex.total,
    created: reindex.created,
    updated: reindex.updated,
    failed: reindex.failed,
    failures: reindex.failures.map(({ documentId, code, detail }) => ({ document_id: documentId, code, detail })),
    throttled_ms: Math.round(reindex.throttledMs),
    ...(requestsPerSecond === undefined ? {} : { requests_per_second: requestsPerSecond }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(speed === undefined ? {} : { documents_per_s: Number(speed.toPrecision(3)) }),
    ...(eta === undefined ? {} : { eta_s: eta }),
    ...(waiting === undefined || !isOpen(reindex) ? {} : { waiting: { ...waiting } }),
    ...(validation === undefined ? {} : { validation: describeValidation(validation) }),
    ...(error === undefined ? {} : { error: { ...error } }),
    created_at: seconds(reindex.startedAt),
    ...(endedAt === undefined ? {} : { ended_at: seconds(endedAt) }),
    urls: { self: `/v1/admin/reindex/${reindex.id}` },
  };
}

function doneOf({ created, updated, failed }: ReindexRecord): number {
  return created + updated + failed;
}

/** Documents a second over the time that was worked; undefined before the first page. */
function speedOf(reindex: ReindexRecord): number | undefined {
  const done = doneOf(reindex);
  return done === 0 || reindex.workedMs <= 0 ? undefined : (done * 1_000) / reindex.workedMs;
}

/** Of the building. While nobody works on it, and once all that was counted is done, nobody can tell. */
function secondsLeft(reindex: ReindexRecord, speed: number, nowMs: number): number | undefined {
  const { status, lease, waiting, total, requestsPerSecond = Infinity } = reindex;
  const left = total - doneOf(reindex);
  const isWorkedOn = status === 'building' && waiting === undefined && lease !== undefined && lease.until > nowMs;
  if (!isWorkedOn || left <= 0) return undefined;
  return Math.ceil(left / Math.min(speed, requestsPerSecond));
}

function describeValidation({ documents, repaired, queries, overlap, ndcg, failures }: ReindexValidation): ReindexBody['validation'] {
  return {
    documents: { ...documents },
    repaired,
    queries,
    ...(overlap === undefined ? {} : { overlap }),
    ...(ndcg === undefined ? {} : { ndcg: { ...ndcg } }),
    failures: [...failures],
  };
}

function seconds(epochMs: number): number {
  return Math.floor(epochMs / 1_000);
}
