import type { CorpusRecord, CorpusRef } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { DocumentStore } from '@rerank-fleet/core/ports';

/** Writers of one record that come at the same moment; each attempt lets at least one through. */
const MOST_ATTEMPTS = 20;

/**
 * Reads, changes and writes a corpus' record until nobody else was faster.
 *
 * @throws RerankError `corpus_not_found`, `queue_unavailable`, and what `change` throws
 */
export async function changeRecord(
  documents: DocumentStore,
  ref: CorpusRef,
  change: (record: CorpusRecord) => CorpusRecord | Promise<CorpusRecord>,
): Promise<CorpusRecord> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
    const record = await documents.findCorpus(ref);
    if (record === undefined) throw new RerankError('corpus_not_found', `There is no corpus "${ref.corpus}".`);
    const next = await change(record);
    if (next === record || (await documents.updateCorpus(next))) return next;
  }
  throw new RerankError('queue_unavailable', 'The corpus is being changed by many requests at once; send this again.', { retryAfterS: 1 });
}
