import type { TakeOptions, Waiting } from './batch-planner.js';

/**
 * Of a budget, what a run costs whatever is in it. Budgets are tuned to where larger ones win nothing any more, so it is small: 2.5 ms of 94 were measured for
 * 512 tokens of the default model on a CPU. Padding beyond it costs more than one more run.
 */
const FIXED_COST = 1 / 32;
/** With so many requests waiting, they share batches as their lengths suit: a few per cent faster in all, while each ends later than in turn. */
const CROWD = 8;
/** A batch below this share of the budget is topped up with pairs of the next request. */
const LEAST_SHARE = 1 / 2;

export interface Runners {
  readonly count: number;
  /** Besides the one that the batch is for. */
  readonly idle: number;
  /** Padded tokens that the others still have to do. */
  readonly tokensLeft: number;
}

/**
 * How much the next batch takes. The oldest request is cut such that all runners end it together, counting what they have in hand: a last batch that runs while
 * the others idle is time lost, and small batches cost little more than large ones. One runner has nobody to end with, and takes what fits.
 */
export function cutBatch(waiting: Waiting, most: number, { count, idle, tokensLeft }: Runners): TakeOptions {
  const mostPadding = most * FIXED_COST;
  const crowded = waiting.requestsBehind >= CROWD;
  if (count === 1) return { budget: most, mostPadding, ...(crowded ? {} : { sharedBudget: most }) };
  const padded = (crowded ? waiting.own + waiting.behind : waiting.own) * (1 + FIXED_COST);
  const level = (padded + tokensLeft) / count;
  const takesAll = idle === 0 && padded <= level;
  // A batch ends where an item does: the nearest such end to the even share.
  const share = level / Math.ceil(level / most) + waiting.own / waiting.ownItems / 2;
  const budget = takesAll ? most : Math.min(most, Math.ceil(share));
  return { budget, mostPadding, ...(crowded ? {} : { sharedBudget: Math.min(budget, most * LEAST_SHARE) }) };
}

/** Tokens that are worth no wait for more: none would join the batch. */
export function enoughToRun(most: number, runners: number): number {
  return runners === 1 ? most : most * LEAST_SHARE;
}
