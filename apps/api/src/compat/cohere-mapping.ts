import { randomUUID } from 'node:crypto';
import type { CohereRerankRequest, CohereRerankResponse, RerankRequest, RerankResponse } from '@rerank-fleet/core/contracts';

/** `priority` is no part of what is scored; it goes with the task. */
export function fromCohere({ priority: _priority, ...request }: CohereRerankRequest): RerankRequest {
  return { ...request, long_document: 'chunk' };
}

export function toCohere({ results, meta }: RerankResponse): CohereRerankResponse {
  return {
    id: randomUUID(),
    results: results.map(({ index, relevance_score: score }) => ({ index, relevance_score: score })),
    meta: { ...meta, api_version: { version: '2' } },
  };
}
