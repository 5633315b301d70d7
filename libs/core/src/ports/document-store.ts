import type { CorpusRecord, CorpusRef, Filter, StoredDocument } from '../domain/index.js';

export interface DocumentPage {
  readonly documents: readonly StoredDocument[];
  /** Pass as `after` for the next page; absent on the last. */
  readonly next?: string;
}

/**
 * The record of corpora and their documents, from which every version can be built again.
 *
 * @throws RerankError `candidate_store_unavailable`, `storage_full`
 */
export interface DocumentStore {
  /** Writes a new record. Resolves to false, changing nothing, if the tenant has a corpus of that name. */
  createCorpus(record: CorpusRecord): Promise<boolean>;

  findCorpus(ref: CorpusRef): Promise<CorpusRecord | undefined>;

  /** By name, ascending. */
  listCorpora(tenant: string): Promise<readonly CorpusRecord[]>;

  /** Corpora of all tenants with a reindex that is open, or with versions that are retired or about to be dropped: what a sweep looks after. */
  listUnsettled(): Promise<readonly CorpusRef[]>;

  /**
   * Replaces the record, atomically, if the stored revision is `record.revision - 1`; resolves to false if it is another. A change of
   * `promotedVersion` swaps the alias in the same call: requests that resolve after it see the new version.
   */
  updateCorpus(record: CorpusRecord): Promise<boolean>;

  /** Removes the record and the documents, not the versions' indexes. Resolves to false if there is none. */
  deleteCorpus(ref: CorpusRef): Promise<boolean>;

  /**
   * Writes documents, durable when the promise resolves. One that is stored with a higher `seq`, also as a tombstone, is left alone.
   * Resolves to the ids that are now current with the given `seq` (an equal `seq` is a repeat and counts).
   */
  putDocuments(ref: CorpusRef, documents: readonly StoredDocument[]): Promise<ReadonlySet<string>>;

  /** Leaves tombstones with `seq`, also for ids that are not there. Resolves to how many live documents went. */
  deleteDocuments(ref: CorpusRef, documentIds: readonly string[], seq: number): Promise<number>;

  findDocument(ref: CorpusRef, documentId: string): Promise<StoredDocument | undefined>;

  /** Live documents in an order that is stable between calls; `filter` is over metadata. */
  scanDocuments(
    ref: CorpusRef,
    options: { readonly after?: string; readonly limit: number; readonly filter?: Filter },
  ): Promise<DocumentPage>;

  /** Live documents. */
  countDocuments(ref: CorpusRef): Promise<number>;

  /** Forgets tombstones with a `seq` below the given one. */
  purgeTombstones(ref: CorpusRef, belowSeq: number): Promise<void>;

  close(): Promise<void>;
}
