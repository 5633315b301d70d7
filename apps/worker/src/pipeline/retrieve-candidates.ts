import type { Candidate, CorpusVersion, Filter, RetrievalMode, SparseVector } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { CandidateStore, Embedder } from '@rerank-fleet/core/ports';

export interface RetrievalParts {
  readonly store: CandidateStore;
  readonly embedder: Embedder;
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
  const dense = mode === 'sparse' ? undefined : await embedQuery(parts.embedder, request);
  return await parts.store.retrieve(version, {
    mode,
    limit: topK,
    ...(dense === undefined ? {} : { dense }),
    ...(mode === 'dense' ? {} : { sparse: parts.encodeSparseQuery(query, version) }),
    ...(filter === undefined ? {} : { filter }),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function embedQuery(embedder: Embedder, { version, query, signal }: RetrievalRequest): Promise<Float32Array> {
  if (version.embedder.sha256 !== embedder.sha256) {
    throw new RerankError(
      'model_unavailable',
      `The corpus was indexed with ${version.embedder.name}, of which this worker holds another revision or nothing.`,
      { retryAfterS: 5 },
    );
  }
  const [vector] = await embedder.embed({ texts: [query], as: 'query', priority: 'sync', ...(signal === undefined ? {} : { signal }) });
  return vector as Float32Array;
}
