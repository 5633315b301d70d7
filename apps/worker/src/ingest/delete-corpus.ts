import { abandonReindex, openReindex } from '@rerank-fleet/core/corpora';
import type { CorpusRecord, CorpusRef } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { CandidateStore, DocumentStore } from '@rerank-fleet/core/ports';
import { changeRecord } from '../reindex/change-record.js';

export interface DeletionParts {
  readonly documents: DocumentStore;
  readonly candidates: CandidateStore;
}

/**
 * The record says first that the corpus goes, and an open reindex ends with it: from then on nobody writes to it or makes an index of it, and a deletion that is cut
 * short is ended by the next worker that looks. Resolves to how many documents went: none where that corpus has gone, as when it is delivered again.
 *
 * @param corpusId of the one that is meant; any of the name without it
 * @throws RerankError `corpus_not_found` (any is meant, and there is none)
 */
export async function deleteCorpus(
  parts: DeletionParts & { readonly now: () => number },
  ref: CorpusRef,
  corpusId: string | undefined,
): Promise<number> {
  const record = await marked(parts, ref, corpusId).catch((error: unknown) => {
    if (corpusId !== undefined && error instanceof RerankError && error.code === 'corpus_not_found') return undefined;
    throw error;
  });
  if (record === undefined) return 0;
  const deleted = await parts.documents.countDocuments(record);
  await endDeletion(parts, record);
  return deleted;
}

function marked(
  { documents, now }: DeletionParts & { readonly now: () => number },
  ref: CorpusRef,
  corpusId: string | undefined,
): Promise<CorpusRecord> {
  return changeRecord(documents, ref, (found) => {
    // Delivered a second time, it finds another of the name that nobody asked to delete.
    if (found.corpusId !== (corpusId ?? found.corpusId)) throw new RerankError('corpus_not_found', `There is no corpus "${ref.corpus}".`);
    if (found.deleting === true) return found;
    const open = openReindex(found);
    const ended = open === undefined ? found : abandonReindex(found, open.id, { now: now() });
    return { ...ended, deleting: true, revision: found.revision + 1 };
  });
}

/** Indexes go before the record, which tells of a deletion that is cut short; and once more after it, as a write that was under way may have made one anew. */
export async function endDeletion({ documents, candidates }: DeletionParts, record: CorpusRecord): Promise<void> {
  const dropAll = async (): Promise<void> => {
    for (const version of [...record.versions, ...(record.dropping ?? [])]) await candidates.dropVersion(version);
  };
  await dropAll();
  await documents.deleteCorpus(record);
  await dropAll();
}
