import type { RerankRequest, RerankResponse, VoyageRerankRequest, VoyageRerankResponse } from '@rerank-fleet/core/contracts';

export function fromVoyage({ top_k: topK, truncation, ...request }: VoyageRerankRequest): RerankRequest {
  return { ...request, long_document: truncation ? 'truncate' : 'error', ...(topK === undefined ? {} : { top_n: topK }) };
}

export function toVoyage({ results, model, usage }: RerankResponse): VoyageRerankResponse {
  return {
    object: 'list',
    data: results.map(({ index, relevance_score: score, document }) => ({
      index,
      relevance_score: score,
      ...(document === undefined ? {} : { document: document.text }),
    })),
    model,
    usage: { total_tokens: usage.total_tokens },
  };
}
