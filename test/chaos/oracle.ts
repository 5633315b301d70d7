import { RerankClient, type SearchParameters } from '@rerank-fleet/client';
import { QUERIES, TEXTS } from './texts.ts';

/** The corpus that no run changes. */
export const STABLE_CORPUS = 'stable';

/** What requests ask for: numbers of `QUERIES` and `TEXTS`, or of `SEARCHES`. */
export type Ask =
  | { readonly kind: 'rerank'; readonly query: number; readonly texts: readonly number[] }
  | { readonly kind: 'search'; readonly search: number };

export const SEARCHES: readonly SearchParameters[] = QUERIES.flatMap((query) =>
  (['hybrid', 'dense', 'sparse'] as const).map((mode) => ({
    corpus: STABLE_CORPUS,
    query,
    mode,
    top_k: 20,
    top_n: 8,
    deterministic: true,
    raw_scores: true,
    return_documents: false,
  })),
);

/** Body of a request, without what a route adds. */
export function bodyOf(ask: Ask): Record<string, unknown> {
  if (ask.kind === 'search') return { ...SEARCHES[ask.search]! };
  const documents = ask.texts.map((text) => TEXTS[text]);
  return { query: QUERIES[ask.query], documents, deterministic: true, raw_scores: true };
}

/** One result as it is compared: which document, and its logit, to the bit. */
export type Scored = readonly [document: number | string, logit: number];

/** What a stack without faults answers. */
export interface Oracle {
  /** `[query][text]` → logit. */
  readonly logits: readonly (readonly number[])[];
  /** Of each of `SEARCHES`. */
  readonly searches: readonly (readonly Scored[])[];
}

/** Asks a stack that nothing has happened to yet. */
export async function askOracle(url: string): Promise<Oracle> {
  const client = new RerankClient({ baseUrl: url });
  await client.putCorpus(STABLE_CORPUS);
  await client.ingest(
    STABLE_CORPUS,
    TEXTS.map((text, number) => ({ id: `t${number}`, text })),
    { wait: true },
  );
  const logits: number[][] = [];
  for (const query of QUERIES) {
    const { results } = await client.rerank({ query, documents: [...TEXTS], deterministic: true, raw_scores: true });
    logits.push(results.toSorted((a, b) => a.index - b.index).map(({ relevance_score }) => relevance_score));
  }
  const searches: (readonly Scored[])[] = [];
  for (const search of SEARCHES) searches.push(scoredOf(await client.search(search)));
  return { logits, searches };
}

/** Results of an answer to a rerank or a search; empty where it has none. */
export function scoredOf(answer: unknown): readonly Scored[] {
  const { results = [] } = answer as { results?: { index?: number; document_id?: string; relevance_score: number }[] };
  return results.map(({ index, document_id, relevance_score }) => [index ?? document_id ?? '', relevance_score]);
}

/** What the answer to a request must be. */
export function expectedOf(oracle: Oracle, ask: Ask): readonly Scored[] {
  if (ask.kind === 'search') return oracle.searches[ask.search]!;
  const scored = ask.texts.map((text, index): Scored => [index, oracle.logits[ask.query]![text]!]);
  return scored.toSorted((a, b) => b[1] - a[1] || Number(a[0]) - Number(b[0]));
}

export const sameScores = (left: readonly Scored[], right: readonly Scored[]): boolean => JSON.stringify(left) === JSON.stringify(right);
