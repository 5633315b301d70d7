/** From here on the sigmoid is 1 in float64: 1 + e^−x rounds to 1. */
const SATURATED = 53 * Math.LN2;
/** The worker's bound lies this much lower than the exact one; the exact cut is made on the scores that go out. */
const MARGIN = 1e-6;

/**
 * The least logit of results with at least this score, for the worker, which knows only logits; undefined where every logit passes.
 * Finite, as JSON has no infinity.
 */
export function minimumLogit(minScore: number | undefined, rawScores: boolean): number | undefined {
  if (minScore === undefined) return undefined;
  if (rawScores) return minScore;
  if (minScore <= 0) return undefined;
  if (minScore > 1) return Number.MAX_VALUE;
  if (minScore === 1) return SATURATED - MARGIN;
  return Math.log(minScore) - Math.log1p(-minScore) - MARGIN;
}
