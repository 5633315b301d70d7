import { randomUUID } from 'node:crypto';
import type { CorpusRecord, PendingDelete } from '@rerank-fleet/core/domain';
import { mendsWithTime, RerankError } from '@rerank-fleet/core/errors';
import type { CandidateStore, DocumentStore } from '@rerank-fleet/core/ports';
import { unlessDropped, versionsNow } from './versions-now.js';

export interface DeletingParts {
  readonly documents: DocumentStore;
  readonly candidates: CandidateStore;
}

/** Documents looked at in one step of a delete by filter. */
const SCAN_PAGE = 1_000;

/**
 * Deletes documents from the record and from every version. It is written down first and crossed out last: whoever dies in between, or finds a store away,
 * leaves what `settleDeletes` ends. One that a store refuses for good is crossed out too, unless documents are gone from the record that an index may have yet.
 * Resolves to how many documents went by all attempts at it, but for those that were written anew since.
 *
 * @throws RerankError `corpus_not_found`, `candidate_store_unavailable`, `storage_full`, `invalid_request` (a filter that the store does not take)
 */
export async function deleteDocuments(parts: DeletingParts, pending: PendingDelete): Promise<number> {
  const { documents } = parts;
  try {
    const corpus = await carryOut(parts, pending);
    // Counted while it is written down, or its tombstones could be purged.
    const deleted = await documents.countDeleted(corpus, pending.seq);
    await documents.endDelete(pending);
    return deleted;
  } catch (error) {
    if (!mendsWithTime(error) && !(await isHalfDone(parts, pending))) await documents.endDelete(pending);
    throw error;
  }
}

/** Whether documents that it named may be gone from the record and not from every index. */
async function isHalfDone({ documents }: DeletingParts, pending: PendingDelete): Promise<boolean> {
  if (pending.documentIds !== undefined) return (await documents.countDeleted(pending, pending.seq)) > 0;
  return (await documents.listPendingDeletes()).some((other) => isPageOf(other, pending));
}

async function carryOut(parts: DeletingParts, pending: PendingDelete): Promise<CorpusRecord> {
  const { documents } = parts;
  const corpus = await documents.findCorpus(pending);
  if (corpus?.corpusId !== pending.corpusId) throw new RerankError('corpus_not_found', `There is no corpus "${pending.corpus}".`);
  await documents.beginDelete(pending);
  const { documentIds } = pending;
  if (documentIds === undefined) await deletePassing(parts, pending);
  else await deleteNamed(parts, corpus, pending, documentIds);
  return corpus;
}

async function deletePage(parts: DeletingParts, page: PendingDelete): Promise<void> {
  await carryOut(parts, page);
  await parts.documents.endDelete(page);
}

async function deleteNamed(
  parts: DeletingParts,
  corpus: CorpusRecord,
  { seq }: PendingDelete,
  documentIds: readonly string[],
): Promise<void> {
  await parts.documents.deleteDocuments(corpus, documentIds, seq);
  for (const version of await versionsNow(parts.documents, corpus)) {
    await unlessDropped(parts, version, () => parts.candidates.deleteDocuments(version, documentIds, seq));
  }
}

/** Each page is a deletion of its own: what the record has forgotten passes no filter any more, so only its ids tell what the indexes still have. */
async function deletePassing(parts: DeletingParts, pending: PendingDelete): Promise<void> {
  const { documents } = parts;
  const { filter, ...all } = pending;
  const pages = (await documents.listPendingDeletes()).filter((other) => isPageOf(other, pending));
  for (const page of pages) await deletePage(parts, page);
  for (let after: string | undefined, more = true; more;) {
    const page = await documents.scanDocuments(pending, {
      limit: SCAN_PAGE,
      ...(after === undefined ? {} : { after }),
      ...(filter === undefined ? {} : { filter }),
    });
    const documentIds = page.documents.filter(({ seq }) => seq <= pending.seq).map(({ id }) => id);
    if (documentIds.length > 0) await deletePage(parts, { ...all, id: `${pending.id}-${randomUUID()}`, documentIds });
    after = page.next;
    more = after !== undefined;
  }
}

/** The deletion by a filter that a page of ids is of, or else itself. */
export function wholeOf(pending: PendingDelete, all: readonly PendingDelete[]): PendingDelete {
  const isWhole = (other: PendingDelete): boolean => other.documentIds === undefined && isPageOf(pending, other);
  return pending.documentIds === undefined ? pending : (all.find(isWhole) ?? pending);
}

function isPageOf({ corpusId, id, seq }: PendingDelete, whole: PendingDelete): boolean {
  return corpusId === whole.corpusId && seq === whole.seq && id !== whole.id;
}
