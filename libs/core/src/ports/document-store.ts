import type { CorpusIncarnation, CorpusRecord, CorpusRef, Filter, PendingDelete, StoredDocument } from '../domain/index.js';

export interface DocumentPage {
  readonly documents: readonly StoredDocument[];
  /** Pass as `after` for the next page; absent on the last. */
  readonly next?: string;
}

/**
 * The record of corpora and their documents, from which every version can be built again. Documents belong to one incarnation of a corpus: who holds a
 * deleted one neither reads nor writes what another of the same name has.
 *
 * @throws RerankError `candidate_store_unavailable`, `storage_full`; writes of documents also `corpus_not_found` (the incarnation is gone)
 */
export interface DocumentStore {
  /** Writes a new record. Resolves to false, changing nothing, if the tenant has a corpus of that name. */
  createCorpus(record: CorpusRecord): Promise<boolean>;

  findCorpus(ref: CorpusRef): Promise<CorpusRecord | undefined>;

  /** By name, ascending. */
  listCorpora(tenant: string): Promise<readonly CorpusRecord[]>;

  /** Corpora of all tenants, for sweeps. */
  listAllCorpora(): Promise<readonly CorpusRecord[]>;

  /** Corpora of all tenants with a reindex that is open, or with versions that are retired or about to be dropped: what a sweep looks after. */
  listUnsettled(): Promise<readonly CorpusRef[]>;

  /**
   * Replaces the record, atomically, if the stored revision is `record.revision - 1`; resolves to false if it is another. A change of
   * `promotedVersion` swaps the alias in the same call: requests that resolve after it see the new version.
   */
  updateCorpus(record: CorpusRecord): Promise<boolean>;

  /** Removes the record and the documents, not the versions' indexes. Resolves to false if there is none of this incarnation. */
  deleteCorpus(corpus: CorpusIncarnation): Promise<boolean>;

  /**
   * Writes documents, durable when the promise resolves. One that is stored with a higher `seq`, also as a tombstone, is left alone.
   * Resolves to the ids that are now current with the given `seq` (an equal `seq` is a repeat and counts).
   */
  putDocuments(corpus: CorpusIncarnation, documents: readonly StoredDocument[]): Promise<ReadonlySet<string>>;

  /** Leaves tombstones with `seq`, also for ids that are not there. Resolves to how many live documents went. */
  deleteDocuments(corpus: CorpusIncarnation, documentIds: readonly string[], seq: number): Promise<number>;

  /**
   * Live documents that deletes of this `seq` took, whoever made them and however often, and that nothing was written over since: a delete that is repeated
   * finds none of what it took before.
   */
  countDeleted(corpus: CorpusIncarnation, seq: number): Promise<number>;

  findDocument(corpus: CorpusIncarnation, documentId: string): Promise<StoredDocument | undefined>;

  /** Live documents in an order that is stable between calls; `filter` is over metadata. */
  scanDocuments(
    corpus: CorpusIncarnation,
    options: { readonly after?: string; readonly limit: number; readonly filter?: Filter },
  ): Promise<DocumentPage>;

  /** Live documents. */
  countDocuments(corpus: CorpusIncarnation): Promise<number>;

  /** Writes down what is about to be deleted. Doing it again is no error; whether the corpus is there is not looked at. */
  beginDelete(pending: PendingDelete): Promise<void>;

  /** Nothing of it is left to be done. Doing it again is no error. */
  endDelete(pending: Pick<PendingDelete, 'id'>): Promise<void>;

  /** Deletions of all tenants that have begun and not ended. */
  listPendingDeletes(): Promise<readonly PendingDelete[]>;

  /** Forgets tombstones with a `seq` below the given one, which then hold back no slower write any more. */
  purgeTombstones(corpus: CorpusIncarnation, belowSeq: number): Promise<void>;

  close(): Promise<void>;
}
