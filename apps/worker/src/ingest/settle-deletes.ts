import { RerankError } from '@rerank-fleet/core/errors';
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
  const { documents, log, now } = parts;
  for (const pending of await documents.listPendingDeletes()) {
    if (now() - pending.begunAt < IN_HAND_MS) continue;
    const about = { tenant: pending.tenant, corpus: pending.corpus, seq: pending.seq };
    try {
      const deleted = await deleteDocuments(parts, pending);
      log.info({ ...about, deleted }, 'A deletion that had been cut short was carried through.');
    } catch (error) {
      // With the corpus all of its documents went.
      if (error instanceof RerankError && error.code === 'corpus_not_found' && (await isGone(parts, pending)))
        await documents.endDelete(pending);
      else log.warn({ ...about, err: error }, 'A deletion that had been cut short could not be carried through; it is tried again.');
    }
  }
}

async function isGone({ documents }: DeletingParts, { corpusId, ...ref }: Parameters<typeof deleteDocuments>[1]): Promise<boolean> {
  return (await documents.findCorpus(ref))?.corpusId !== corpusId;
}
