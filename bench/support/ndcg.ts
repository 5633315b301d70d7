import type { Judgements } from './evaluation-data.ts';

/** nDCG@k with linear gain and log2 discount, as trec_eval's `ndcg_cut` (Järvelin and Kekäläinen 2002), over the queries that have a relevant document. */
export function meanNdcg(rankings: ReadonlyMap<string, readonly string[]>, judgements: Judgements, k: number): number {
  const values: number[] = [];
  for (const [query, documents] of rankings) {
    const gains = judgements.get(query);
    if (gains === undefined) continue;
    const ideal = discounted([...gains.values()].sort((a, b) => b - a).slice(0, k));
    if (ideal > 0) values.push(discounted(documents.slice(0, k).map((id) => gains.get(id) ?? 0)) / ideal);
  }
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function discounted(gains: readonly number[]): number {
  return gains.reduce((sum, gain, position) => sum + gain / Math.log2(position + 2), 0);
}
