/** The constant of Cormack, Clarke and Büttcher (2009), "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods". */
export const RRF_K = 60;

export interface FusedItem<T> {
  readonly item: T;
  /** Σ 1/(k + rank) over the lists that hold the item, rank counted from 0. */
  readonly score: number;
}

/**
 * Fuses ranked lists, best first. Items are compared as map keys and occur at most once a list; equal scores keep the order in which
 * the items first occur.
 */
export function reciprocalRankFusion<T>(lists: readonly (readonly T[])[], k: number = RRF_K): FusedItem<T>[] {
  const scores = new Map<T, number>();
  for (const list of lists) {
    for (const [rank, item] of list.entries()) scores.set(item, (scores.get(item) ?? 0) + 1 / (k + rank));
  }
  return [...scores].map(([item, score]) => ({ item, score })).sort((a, b) => b.score - a.score);
}
