/** What is known of the pairs of one request at a cut, in the order of the pairs that still run. */
export interface CutState {
  /** Predicted final logits. */
  readonly predictions: ArrayLike<number>;
  /** Standard deviation of what predictions at this cut are off by, in logits. */
  readonly sigma: number;
  /** Standard deviations of room: a pair leaves when its prediction is further than that below what it would have to reach. */
  readonly margin: number;
  /** Results that need their full logit. */
  readonly atLeast: number;
  /** Lower logits are not wanted. */
  readonly minLogit?: number;
  /** Pairs of one key count as one result, by the best of them. @defaultValue each its own */
  readonly groups?: ArrayLike<unknown>;
  /** Full logits of pairs of the request that need not run; of a group as in `groups`, or each its own. */
  readonly known?: readonly { readonly logit: number; readonly group?: unknown }[];
}

/**
 * Which pairs go on: those whose predicted logit is within the margin of the `atLeast`-th best result's, and of `minLogit`. Of every group, all of its pairs that are
 * within it. Never fewer than `atLeast` results go on, known ones included, as long as so many can reach `minLogit`.
 */
export function survivorsOf(state: CutState): number[] {
  const { predictions, sigma, margin, minLogit = -Infinity } = state;
  const floor = Math.max(thresholdOf(state), minLogit) - margin * sigma;
  const survivors: number[] = [];
  for (let at = 0; at < predictions.length; at += 1) if (predictions[at]! >= floor) survivors.push(at);
  return survivors;
}

/** The best logit of the group that comes `atLeast`-th, known or predicted; −∞ where there are not so many. */
function thresholdOf({ predictions, groups, atLeast, known = [] }: CutState): number {
  const best = new Map<unknown, number>();
  const alone: number[] = [];
  const add = (logit: number, group: unknown): void => {
    if (group === undefined) alone.push(logit);
    else best.set(group, Math.max(best.get(group) ?? -Infinity, logit));
  };
  for (const { logit, group } of known) add(logit, group);
  for (let at = 0; at < predictions.length; at += 1) add(predictions[at]!, groups?.[at]);
  const bests = [...alone, ...best.values()];
  if (bests.length < atLeast) return -Infinity;
  return bests.sort((a, b) => b - a)[atLeast - 1]!;
}
