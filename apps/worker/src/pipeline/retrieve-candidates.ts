import type { Candidate, CorpusVersion, Filter, RetrievalMode, SparseVector } from '@rerank-fleet/core/domain';
import type { CandidateStore } from '@rerank-fleet/core/ports';
import type { Embedders } from '../tasks/embedders.js';

export interface RetrievalParts {
  readonly store: CandidateStore;
  readonly embedders: Embedders;
  /** Encodes a query with the constants of the version. */
  readonly encodeSparseQuery: (query: string, version: CorpusVersion) => SparseVector;
}

export interface RetrievalRequest {
  readonly version: CorpusVersion;
  readonly query: string;
  readonly mode: RetrievalMode;
  readonly topK: number;
  readonly filter?: Filter;
  readonly signal?: AbortSignal;
}

/**
 * Step 5: first-stage candidates from the version that the request pinned.
 *
 * @throws RerankError `model_unavailable` if the version was built with another embedder than this worker's
 */
export async function retrieveCandidates(parts: RetrievalParts, request: RetrievalRequest): Promise<readonly Candidate[]> {
  const { version, query, mode, topK, filter, signal } = request;
  const dense = mode === 'sparse' ? undefined : await embedQuery(parts.embedders, request);
  return await parts.store.retrieve(version, {
    mode,
    limit: topK,
    ...(dense === undefined ? {} : { dense }),
    ...(mode === 'dense' ? {} : { sparse: parts.encodeSparseQuery(query, version) }),
    ...(filter === undefined ? {} : { filter }),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function embedQuery(embedders: Embedders, { version, query, signal }: RetrievalRequest): Promise<Float32Array> {
  const embedder = embedders.of(version);
  const [vector] = await embedder.embed({ texts: [query], as: 'query', priority: 'sync', ...(signal === undefined ? {} : { signal }) });
  return vector as Float32Array;
}
