import {
  needsQueryVector,
  type Candidate,
  type CorpusVersion,
  type Filter,
  type RetrievalMode,
  type SparseVector,
} from '@rerank-fleet/core/domain';
import type { CandidateStore, FirstStage } from '@rerank-fleet/core/ports';
import type { Embedders } from './embedders.js';

export interface RetrievalParts {
  readonly store: Pick<CandidateStore, 'retrieve'>;
  /** Of corpora whose documents lie elsewhere. */
  readonly external: Pick<FirstStage, 'retrieve'>;
  readonly embedders: Embedders;
  /** Encodes a query with the constants of the version. */
  readonly encodeSparseQuery: (query: string, version: CorpusVersion) => SparseVector;
}

export interface RetrievalRequest {
  readonly version: CorpusVersion;
  readonly query: string;
  readonly mode: RetrievalMode;
  readonly topK: number;
  /** Of the query's embedding. */
  readonly priority: 'sync' | 'batch';
  readonly filter?: Filter;
  /** Passed on to a first stage elsewhere. */
  readonly requestId?: string;
  readonly traceparent?: string;
  readonly signal?: AbortSignal;
}

/**
 * Step 5: first-stage candidates from the version that the request pinned, or from the source that it names.
 *
 * @throws RerankError `model_unavailable` if a vector is needed and the version was built with another embedder than this worker's
 */
export async function retrieveCandidates(parts: RetrievalParts, request: RetrievalRequest): Promise<readonly Candidate[]> {
  const { version, query, mode, topK, filter, requestId, traceparent, signal } = request;
  const dense = needsQueryVector(version, mode) ? await embedQuery(parts.embedders, request) : undefined;
  const shared = {
    mode,
    limit: topK,
    ...(dense === undefined ? {} : { dense }),
    ...(filter === undefined ? {} : { filter }),
    ...(signal === undefined ? {} : { signal }),
  };
  if (version.source !== undefined) {
    return await parts.external.retrieve(version, {
      ...shared,
      query,
      ...(requestId === undefined ? {} : { requestId }),
      ...(traceparent === undefined ? {} : { traceparent }),
    });
  }
  return await parts.store.retrieve(version, {
    ...shared,
    ...(mode === 'dense' ? {} : { sparse: parts.encodeSparseQuery(query, version) }),
  });
}

async function embedQuery(embedders: Embedders, { version, query, priority, signal }: RetrievalRequest): Promise<Float32Array> {
  const embedder = embedders.of(version);
  const [vector] = await embedder.embed({ texts: [query], as: 'query', priority, ...(signal === undefined ? {} : { signal }) });
  return vector as Float32Array;
}
