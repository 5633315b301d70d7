import type { CorpusRecord, CorpusVersion, ReindexCare, ReindexRecord, ReindexValidation } from '../domain/index.js';
import { invariant } from '../errors/index.js';
import { abandonReindex, atRest, changeReindex, completeReindex, openReindex, requireReindex } from './reindex.js';

/** Failed documents that a record tells of. */
const TOLD_FAILURES = 100;
/** Processes that died while the same document was alone. */
const DEATHS_THAT_CONVICT = 3;

/** The right of one process to store what it did for a reindex. */
export interface ReindexClaim {
  readonly corpusId: string;
  readonly id: string;
  readonly owner: string;
  readonly fence: number;
}

/** What the work changes. Counts are of the documents before the checkpoint. */
export type ReindexProgress = Pick<
  ReindexRecord,
  'total' | 'created' | 'updated' | 'failed' | 'failures' | 'throttledMs' | 'workedMs' | 'checkpoint' | 'waiting' | 'care'
>;

/** Another process has the reindex, it has ended, or its corpus is gone: who held the claim has nothing to do any more. */
export class ClaimLostError extends Error {
  override readonly name = 'ClaimLostError';
}

/** Whether somebody is to work on it, and nobody does. */
export function isUnattended({ status, lease }: ReindexRecord, now: number): boolean {
  return (status === 'building' || status === 'validating') && (lease === undefined || lease.until <= now);
}

/** Takes the open reindex that nobody works on; the record is left as it is if there is none. */
export function claimReindex(
  record: CorpusRecord,
  { owner, now, leaseMs }: { readonly owner: string; readonly now: number; readonly leaseMs: number },
): CorpusRecord {
  const open = openReindex(record);
  if (open === undefined || !isUnattended(open, now)) return record;
  const care = careAfter(open);
  return changeReindex(record, open.id, ({ waiting: _, care: __, ...reindex }) => ({
    ...reindex,
    ...(care === undefined ? {} : { care }),
    lease: { owner, fence: (open.lease?.fence ?? 0) + 1, until: now + leaseMs },
  }));
}

/** @throws ClaimLostError */
export function claimedReindex(record: CorpusRecord | undefined, claim: ReindexClaim): ReindexRecord {
  if (record?.corpusId !== claim.corpusId) throw new ClaimLostError('The corpus is gone.');
  const reindex = openReindex(record);
  if (reindex?.id !== claim.id) throw new ClaimLostError('The reindex has ended.');
  if (reindex.lease?.owner !== claim.owner || reindex.lease.fence !== claim.fence)
    throw new ClaimLostError('Another process has taken the reindex.');
  return reindex;
}

/**
 * Stores how far the work is, and holds the lease until `until`; 0 gives it back.
 *
 * @throws ClaimLostError
 */
export function saveProgress(
  record: CorpusRecord,
  claim: ReindexClaim,
  { progress, until }: { readonly progress: ReindexProgress; readonly until: number },
): CorpusRecord {
  claimedReindex(record, claim);
  const { owner, fence } = claim;
  return changeReindex(record, claim.id, ({ checkpoint: _, waiting: __, care: ___, ...reindex }) => ({
    ...reindex,
    ...progress,
    lease: { owner, fence, until },
  }));
}

/**
 * Every document has been through the scan.
 *
 * @throws ClaimLostError
 */
export function beginValidation(record: CorpusRecord, claim: ReindexClaim, progress: ReindexProgress): CorpusRecord {
  if (claimedReindex(record, claim).status === 'validating') return record;
  const { checkpoint: _, ...counts } = progress;
  return changeReindex(record, claim.id, ({ checkpoint: __, waiting: ___, care: ____, ...reindex }) => ({
    ...reindex,
    ...counts,
    status: 'validating',
  }));
}

/**
 * Promotes the new version, leaves it to be promoted by hand, or gives it up if it was to be promoted by itself and is not as was asked for.
 *
 * @throws ClaimLostError
 */
export function concludeReindex(
  record: CorpusRecord,
  claim: ReindexClaim,
  { validation, now }: { readonly validation: ReindexValidation; readonly now: number },
): CorpusRecord {
  const { status, promote } = claimedReindex(record, claim);
  invariant(status === 'validating', 'A reindex is concluded that was not validated.');
  const validated = changeReindex(record, claim.id, (reindex) => ({ ...atRest(reindex), status: 'ready', validation }));
  const { failures } = validation;
  const error = { code: 'invalid_request', detail: `The new version is not as was asked for: ${failures.join('; ')}.` };
  if (promote === 'manual') return validated;
  const ended =
    failures.length > 0
      ? abandonReindex(validated, claim.id, { now, error })
      : completeReindex(validated, requireReindex(validated, claim.id), now);
  return { ...ended, revision: validated.revision };
}

/** Counts a document that cannot be indexed. */
export function withFailures<Progress extends Pick<ReindexProgress, 'failed' | 'failures'>>(
  progress: Progress,
  failures: ReindexProgress['failures'],
): Progress {
  return {
    ...progress,
    failed: progress.failed + failures.length,
    failures: [...progress.failures, ...failures].slice(0, TOLD_FAILURES),
  };
}

/** @throws InvariantError if the record does not have it */
export function versionNumbered({ versions }: CorpusRecord, number: number): CorpusVersion {
  const found = versions.find(({ version }) => version === number);
  invariant(found, 'An open reindex names a version that the corpus does not have.');
  return found;
}

/** A lease that was not given back was that of a process that died. Processes are killed for other reasons, too, so one death beside a document proves nothing. */
function careAfter({ lease, care }: ReindexRecord): ReindexCare | undefined {
  if (lease === undefined || lease.until === 0) return care;
  const { deaths: before = 0, alone, suspect: last, convicted = [] } = care ?? {};
  const deaths = before + 1;
  if (alone === undefined) return { deaths, convicted, ...(last === undefined ? {} : { suspect: last }) };
  const suspect = { documentId: alone, deaths: (last?.documentId === alone ? last.deaths : 0) + 1 };
  return suspect.deaths < DEATHS_THAT_CONVICT ? { deaths, suspect, convicted } : { deaths, convicted: [...convicted, alone] };
}
