import { RerankError } from '@rerank-fleet/core/errors';
import type { Fold } from './ridge.js';

/** Pairs in an order in which those of a fold, and in it those of a query, lie together. */
export interface DealtPairs {
  readonly order: Int32Array;
  /** Stretches of the order. */
  readonly folds: readonly Fold[];
}

/** Rows by query, and queries dealt to the folds in turn. @throws RerankError `invalid_request` with pairs of fewer queries than folds */
export function dealQueries(queries: Int32Array, folds: number): DealtPairs {
  const ranks = new Map([...new Set(queries)].map((query, rank) => [query, rank]));
  if (ranks.size < folds) throw new RerankError('invalid_request', `Exit heads need pairs of at least ${folds} queries.`);
  const rankOf = (pair: number): number => ranks.get(queries[pair]!)!;
  const order = Int32Array.from(queries.keys()).sort((a, b) => (rankOf(a) % folds) - (rankOf(b) % folds) || rankOf(a) - rankOf(b) || a - b);
  const sizes = new Array<number>(folds).fill(0);
  for (const pair of order) sizes[rankOf(pair) % folds]! += 1;
  let from = 0;
  return { order, folds: sizes.map((size): Fold => [from, (from += size)]) };
}
