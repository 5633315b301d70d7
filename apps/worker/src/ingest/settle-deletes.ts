import type { PendingDelete } from '@rerank-fleet/core/domain';
import { mendsWithTime, RerankError } from '@rerank-fleet/core/errors';
import type { Logger } from '@rerank-fleet/core/observability';
import { deleteDocuments, type DeletingParts } from './delete-documents.js';

export interface SettlingParts extends DeletingParts {
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** Younger ones are most likely in hand: whoever began them is given this long. */
const IN_HAND_MS = 15_000;

/** Carries deletions through that were begun and not ended. One that is in hand after all is done twice, which changes nothing. */
export async function settleDeletes(parts: SettlingParts): Promise<void> {
  for (const pending of await parts.documents.listPendingDeletes()) {
    if (parts.now() - pending.begunAt >= IN_HAND_MS) await settleDelete(parts, pending);
  }
}

/** Resolves to whether nothing of it is left to be done. */
export async function settleDelete(parts: SettlingParts, pending: PendingDelete): Promise<boolean> {
  const { documents, log } = parts;
  const about = { tenant: pending.tenant, corpus: pending.corpus, seq: pending.seq };
  try {
    const deleted = await deleteDocuments(parts, pending);
    log.info({ ...about, deleted }, 'A deletion that had been cut short was carried through.');
    return true;
  } catch (error) {
    // With the corpus all of its documents went.
    if (error instanceof RerankError && error.code === 'corpus_not_found' && (await isGone(parts, pending))) {
      await documents.endDelete(pending);
      return true;
    }
    if (!mendsWithTime(error) && !(await isPending(parts, pending))) {
      log.warn(
        { ...about, err: error },
        'A deletion that had been cut short is given up, as it was refused for good; nothing of it is half done.',
      );
      return true;
    }
    log.warn({ ...about, err: error }, 'A deletion that had been cut short could not be carried through; it is tried again.');
    return false;
  }
}

async function isGone({ documents }: DeletingParts, { corpusId, ...ref }: Parameters<typeof deleteDocuments>[1]): Promise<boolean> {
  return (await documents.findCorpus(ref))?.corpusId !== corpusId;
}

async function isPending({ documents }: DeletingParts, { id }: PendingDelete): Promise<boolean> {
  return (await documents.listPendingDeletes()).some((other) => other.id === id);
}
