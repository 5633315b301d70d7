import type { RerankClient } from '@rerank-fleet/client';

export interface ScoredDocument {
  readonly logit: number;
  readonly tokens: number;
  readonly truncated: boolean;
}

/** Scores documents through `/v1/rerank` with `explain`; the answer is in the order of the documents. */
export async function scoreInOrder(
  client: RerankClient,
  query: string,
  documents: string[],
  { deterministic }: { readonly deterministic: boolean },
): Promise<readonly ScoredDocument[]> {
  const { results } = await client.rerank({ query, documents, deterministic, explain: true });
  return results
    .toSorted((a, b) => a.index - b.index)
    .map(({ index, logit, tokens, truncated }) => {
      if (logit === undefined || tokens === undefined || truncated === undefined) throw new Error(`document ${index} was not explained`);
      return { logit, tokens, truncated };
    });
}
