import { byLogitThenIndex } from '@rerank-fleet/core/domain';
import type { PairScore } from '@rerank-fleet/core/ports';

export interface RankedResult extends PairScore {
  /** Position among the request's passages. */
  readonly index: number;
}

export interface RankOptions {
  /** Results returned, at most. */
  readonly topN: number;
  /** Leaves out lower logits, and predicted ones, which cannot be held against a bound. */
  readonly minLogit?: number;
  /** Passages with the same key are one result, by the best of them. */
  readonly groupKey?: (index: number) => string;
}

/** Best first: those with their full logit before those whose logit is a prediction, then by logit, then by index. */
export function bestFirst(a: RankedResult, b: RankedResult): number {
  const [aLeft, bLeft] = [a.exitLayer !== undefined, b.exitLayer !== undefined];
  return aLeft === bLeft ? byLogitThenIndex(a, b) : Number(aLeft) - Number(bLeft);
}

/** Step 9: best first, one result a group, cut to top n. */
export function rankResults(scores: readonly RankedResult[], { topN, minLogit, groupKey }: RankOptions): RankedResult[] {
  const ranked = scores.toSorted(bestFirst);
  const kept = minLogit === undefined ? ranked : ranked.filter(({ logit, exitLayer }) => exitLayer === undefined && logit >= minLogit);
  return (groupKey === undefined ? kept : firstOfEachGroup(kept, groupKey)).slice(0, topN);
}

/** Keeps the first item of every group, in order. */
export function firstOfEachGroup<T extends { readonly index: number }>(items: readonly T[], groupKey: (index: number) => string): T[] {
  const seen = new Set<string>();
  return items.filter(({ index }) => {
    const key = groupKey(index);
    return !seen.has(key) && seen.add(key);
  });
}
