import { openReindex } from '@rerank-fleet/core/corpora';
import type { CorpusRecord } from '@rerank-fleet/core/domain';
import type { IngestJobs } from '@rerank-fleet/core/jobs';
import type { Logger } from '@rerank-fleet/core/observability';
import type { DocumentStore } from '@rerank-fleet/core/ports';

/** Below `belowSeq` nobody had a write left to begin at `takenAt`, in epoch milliseconds. */
export interface Mark {
  readonly belowSeq: number;
  readonly takenAt: number;
}

export interface PurgingParts {
  readonly documents: Pick<DocumentStore, 'listAllCorpora' | 'listPendingDeletes' | 'purgeTombstones'>;
  readonly jobs: Pick<IngestJobs, 'unfinished'>;
  readonly mark: { read(): Promise<Mark | undefined>; write(mark: Mark): Promise<void> };
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
  readonly log: Pick<Logger, 'warn'>;
}

/** Longer than anybody who has begun a write takes to end it: an upload on its way to becoming a job, a worker that was taken for dead and still writes. */
const LONGEST_WRITE_MS = 24 * 3_600_000;
/** Sequence numbers are microseconds of Redis TIME, or above. */
const SEQS_A_MS = 1_000;

/**
 * Forgets tombstones of the record that hold nobody back any more. Such a one is below the `seq` of every slice that has no outcome, and of every upload that may
 * become a job yet; and it has been so for a day, so that who took such a slice before has ended with it, too. A corpus with an open reindex or a deletion
 * under way waits. To be called now and then; it acts once a day at most.
 */
export async function purgeTombstones(parts: PurgingParts): Promise<void> {
  const takenAt = parts.now();
  const before = await parts.mark.read();
  if (before !== undefined && takenAt - before.takenAt < LONGEST_WRITE_MS) return;
  const belowSeq = await lowestAhead(parts, takenAt);
  if (belowSeq === undefined) return;
  if (before !== undefined) await purgeBelow(parts, Math.min(before.belowSeq, belowSeq));
  await parts.mark.write({ belowSeq, takenAt });
}

/** The lowest `seq` that a write may have which has not begun; undefined if a job cannot be read, as its slices may have any. */
async function lowestAhead({ jobs, log }: PurgingParts, now: number): Promise<number | undefined> {
  let lowest = (now - LONGEST_WRITE_MS) * SEQS_A_MS;
  let isKnown = true;
  const onUnreadable = (key: string, error: unknown): void => {
    isKnown = false;
    log.warn({ err: error, key }, 'Tombstones are kept, as a job cannot be read.');
  };
  for await (const { record, slice } of jobs.unfinished(onUnreadable)) lowest = Math.min(lowest, record.slices[slice]!.seq);
  return isKnown ? lowest : undefined;
}

async function purgeBelow({ documents }: PurgingParts, seq: number): Promise<void> {
  const deleting = new Set((await documents.listPendingDeletes()).map(({ corpusId }) => corpusId));
  const isAtRest = (record: CorpusRecord): boolean => openReindex(record) === undefined && !deleting.has(record.corpusId);
  for (const record of (await documents.listAllCorpora()).filter(isAtRest)) {
    if (record.settings.source === undefined) await documents.purgeTombstones(record, seq);
  }
}
