import type { Candidate, CorpusVersion, DocumentStamp, Filter, IndexedDocument, RetrievalMode, SparseVector } from '../domain/index.js';

export interface RetrieveRequest {
  readonly mode: RetrievalMode;
  /** Unit length, `[dimensions]`; needed for `dense` and `hybrid`. */
  readonly dense?: Float32Array;
  /** Needed for `sparse` and `hybrid`. */
  readonly sparse?: SparseVector;
  readonly filter?: Filter;
  /** Most passages returned; for `hybrid` also the depth of each of the two lists that are fused. */
  readonly limit: number;
  /** Gives up when aborted; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * The index of passages. Every call names a physical version; no call goes through an alias.
 *
 * Scores: dense is cosine; sparse is Σ q·d·ln((N − n + 0.5)/(n + 0.5) + 1) over the whole version, not over the filter; hybrid is
 * reciprocal rank fusion of both lists, Σ 1/(60 + rank), rank counted from 0 (Cormack et al. 2009 count from 1: same order).
 * Results are best first; equal scores have no stated order.
 *
 * @throws RerankError `candidate_store_unavailable`, `storage_full`, `corpus_not_found` (the version is not there)
 */
export interface CandidateStore {
  /** Makes the version's index with payload indexes for its fields. Doing it again is no error. */
  createVersion(version: CorpusVersion): Promise<void>;

  /** Drops the version's index. Dropping one that is not there is no error. */
  dropVersion(version: CorpusVersion): Promise<void>;

  /**
   * Writes documents with all their passages, durable when the promise resolves. A document already there with a higher `seq` (also
   * as a tombstone) is left alone; passages of a document with a lower `seq` than the one written are removed. Repeating a write
   * is no error and changes nothing. At most one `seq` a document in a call.
   */
  writeDocuments(version: CorpusVersion, documents: readonly IndexedDocument[]): Promise<void>;

  /**
   * Removes what a write of these documents that was cut short may have left beside a later write or delete. Who repeats such a write and finds the later one in the record
   * has to call it, as nobody else will come back to these documents.
   */
  removeLeftovers(version: CorpusVersion, documentIds: readonly string[]): Promise<void>;

  /** `removeLeftovers` of all documents that were deleted from the version; for who does not know which a write that was cut short may have named. */
  removeLeftoversOfDeleted(version: CorpusVersion): Promise<void>;

  /** Removes the passages of documents whose stored `seq` is not above `seq`. A slower write with a lower `seq` must not bring them back. */
  deleteDocuments(version: CorpusVersion, documentIds: readonly string[], seq: number): Promise<void>;

  /**
   * Gives documents whose content is already in the index the higher `seq`, without writing their passages again. Resolves to the ids that now stand in
   * the index with that content and that `seq`, whole; all others have to be written. Repeating it is no error.
   */
  restampDocuments(version: CorpusVersion, documents: readonly DocumentStamp[]): Promise<ReadonlySet<string>>;

  /** `seq` of the write that each document's state in the index comes from, tombstones included; ids that were never written are left out. */
  documentSeqs(version: CorpusVersion, documentIds: readonly string[]): Promise<ReadonlyMap<string, number>>;

  /** Live documents that have passages. */
  countDocuments(version: CorpusVersion): Promise<number>;

  /** First-stage candidates, at most `limit`, sees every write that resolved before the call, from any process. */
  retrieve(version: CorpusVersion, request: RetrieveRequest): Promise<readonly Candidate[]>;

  countPassages(version: CorpusVersion, filter?: Filter): Promise<number>;

  /** Frees connections and memory. The caller awaits its own calls first. */
  close(): Promise<void>;
}
