/**
 * nDCG@k of one ranking, with linear gain and log2 discount, as trec_eval's `ndcg_cut` (Järvelin and Kekäläinen 2002). Documents without a gain count 0.
 * Undefined if no document has a gain above 0.
 */
export function ndcg(ranking: readonly string[], gains: ReadonlyMap<string, number>, k: number): number | undefined {
  const ideal = discounted([...gains.values()].sort((a, b) => b - a).slice(0, k));
  return ideal > 0 ? discounted(ranking.slice(0, k).map((id) => gains.get(id) ?? 0)) / ideal : undefined;
}

function discounted(gains: readonly number[]): number {
  return gains.reduce((sum, gain, position) => sum + gain / Math.log2(position + 2), 0);
}
