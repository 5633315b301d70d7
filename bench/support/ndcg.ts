import { ndcg } from '@rerank-fleet/core/retrieval';
import type { Judgements } from './evaluation-data.ts';

/** Mean nDCG@k over the queries that have a relevant document. */
export function meanNdcg(rankings: ReadonlyMap<string, readonly string[]>, judgements: Judgements, k: number): number {
  const values = [...rankings].flatMap(([query, documents]) => ndcg(documents, judgements.get(query) ?? new Map(), k) ?? []);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
