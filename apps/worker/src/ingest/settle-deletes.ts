import type { PendingDelete } from '@rerank-fleet/core/domain';
import { mendsWithTime, RerankError } from '@rerank-fleet/core/errors';
import type { Logger } from '@rerank-fleet/core/observability';
import { deleteDocuments, wholeOf, type DeletingParts } from './delete-documents.js';
import type { RefusedDeletions } from './refused-deletions.js';

export interface SettlingParts extends DeletingParts {
  readonly refused: Pick<RefusedDeletions, 'has' | 'take'>;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** Younger ones are most likely in hand: whoever began them is given this long. */
const IN_HAND_MS = 15_000;

/** Carries deletions through that were begun and not ended. One that is in hand after all is done twice, which changes nothing. */
export async function settleDeletes(parts: SettlingParts): Promise<void> {
  const all = await parts.documents.listPendingDeletes();
  for (const pending of all) {
    if (parts.now() - pending.begunAt < IN_HAND_MS) continue;
    if (!(await parts.refused.has(wholeOf(pending, all)))) await settleDelete(parts, pending);
  }
}

/** Resolves to whether nothing of it is left to be done here. */
export async function settleDelete(parts: SettlingParts, pending: PendingDelete): Promise<boolean> {
  const { documents, log } = parts;
  const about = { tenant: pending.tenant, corpus: pending.corpus, seq: pending.seq };
  try {
    const deleted = await carryThrough(parts, pending);
    log.info({ ...about, deleted }, 'A deletion that had been cut short was carried through.');
    return true;
  } catch (error) {
    if (mendsWithTime(error)) {
      log.warn({ ...about, err: error }, 'A deletion that had been cut short could not be carried through; it is tried again.');
      return false;
    }
    const all = await documents.listPendingDeletes();
    if (all.some(({ id }) => id === pending.id)) {
      await parts.refused.take(wholeOf(pending, all));
      log.warn(
        { ...about, err: error },
        'A deletion was refused with documents gone from the record only; the queue of uploads tries it again.',
      );
    } else
      log.warn(
        { ...about, err: error },
        'A deletion that had been cut short is given up, as it was refused for good; nothing of it is half done.',
      );
    return true;
  }
}

/** One that nobody has to carry through any more is done. */
export async function retryDelete(parts: DeletingParts, deleteId: string): Promise<number> {
  const pending = (await parts.documents.listPendingDeletes()).find(({ id }) => id === deleteId);
  return pending === undefined ? 0 : await carryThrough(parts, pending);
}

async function carryThrough(parts: DeletingParts, pending: PendingDelete): Promise<number> {
  try {
    return await deleteDocuments(parts, pending);
  } catch (error) {
    // With the corpus all of its documents went.
    if (!(error instanceof RerankError) || error.code !== 'corpus_not_found' || !(await isGone(parts, pending))) throw error;
    await parts.documents.endDelete(pending);
    return 0;
  }
}

async function isGone({ documents }: DeletingParts, { corpusId, ...ref }: PendingDelete): Promise<boolean> {
  return (await documents.findCorpus(ref))?.corpusId !== corpusId;
}
