import type { RerankClient, SearchParameters } from '@rerank-fleet/client';
import { ndcg } from '@rerank-fleet/core/retrieval';
import type { Judgements } from '../support/evaluation-data.ts';

/** Searches in flight. */
const LANES = 8;
const TIMEOUT_MS = 600_000;

export interface Quality {
  readonly queries: number;
  /** nDCG@10. */
  readonly ndcg: number;
  /** Recall@100. */
  readonly recall: number;
}

export interface EvaluationSet {
  /** Text by query id. */
  readonly queries: ReadonlyMap<string, string>;
  readonly judgements: Judgements;
}

/** One search for each of these queries. */
export type Searches = Omit<SearchParameters, 'query'> & { readonly ids: readonly string[] };

/** Judged queries that have a relevant document, at most `most` of them, evenly spread. */
export function judgedQueries({ judgements }: EvaluationSet, most = Infinity): string[] {
  const judged = [...judgements].filter(([, gains]) => [...gains.values()].some((gain) => gain > 0)).map(([id]) => id);
  const step = Math.max(1, judged.length / most);
  return judged.filter((_, position) => Math.floor(position / step) !== Math.floor((position - 1) / step));
}

/** Means over the queries, of what `/v1/search` answers. */
export async function evaluateSearch(
  client: RerankClient,
  { queries, judgements }: EvaluationSet,
  { ids, ...search }: Searches,
): Promise<Quality> {
  const waiting = [...ids];
  const [gained, recalled]: [number[], number[]] = [[], []];
  const lane = async (): Promise<void> => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const body = { ...search, query: queries.get(id)!, return_documents: false, timeout_ms: TIMEOUT_MS };
      const { results } = await client.search(body);
      const ranking = results.map((result) => result.document_id);
      const gains = judgements.get(id)!;
      gained.push(ndcg(ranking, gains, 10) ?? 0);
      recalled.push(recall(ranking, gains, 100));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return { queries: ids.length, ndcg: mean(gained), recall: mean(recalled) };
}

function recall(ranking: readonly string[], gains: ReadonlyMap<string, number>, depth: number): number {
  const relevant = new Set([...gains].filter(([, gain]) => gain > 0).map(([id]) => id));
  return ranking.slice(0, depth).filter((id) => relevant.has(id)).length / relevant.size;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
