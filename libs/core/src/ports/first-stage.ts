import type { Candidate, CorpusVersion, ExternalSource, Filter, RetrievalMode } from '../domain/index.js';

export interface FirstStageRequest {
  readonly query: string;
  readonly mode: RetrievalMode;
  /** Most candidates returned; for `hybrid` also the depth of each list that is fused. */
  readonly limit: number;
  /** Of the query, unit length, `[dimensions]`; given where {@link needsQueryVector} says so. */
  readonly dense?: Float32Array;
  readonly filter?: Filter;
  /** Passed on, so that both sides' logs name one request. */
  readonly requestId?: string;
  readonly traceparent?: string;
  /** Gives up when aborted; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** First stages outside this service, by the connections that the operator named. */
export interface FirstStage {
  /**
   * Checks the source of a corpus that is to be made, and completes its options; what it gives is the same whatever order keys came in.
   *
   * @throws RerankError `invalid_request`, with pointers below `/source`
   */
  settle(tenant: string, source: ExternalSource): ExternalSource;

  /**
   * Candidates of a version that has a source, best first, ranks from 1, at most `limit`. Scores are the other side's own; of `hybrid` they
   * are reciprocal rank fusion where two lists are fused here.
   *
   * @throws RerankError `candidate_store_unavailable`, `corpus_not_found` (what the source names is gone), `invalid_request` (what the
   * source cannot do, by name)
   */
  retrieve(version: CorpusVersion, request: FirstStageRequest): Promise<readonly Candidate[]>;

  /** Closes idle connections. */
  close(): void;
}
