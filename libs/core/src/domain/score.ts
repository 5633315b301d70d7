/**
 * Logistic function in float64. Scores leave the service through this function only, once: applied in half or single precision it
 * saturates to 1 and ties destroy the order.
 */
export function sigmoid(logit: number): number {
  return logit >= 0 ? 1 / (1 + Math.exp(-logit)) : Math.exp(logit) / (1 + Math.exp(logit));
}

/** Best first by logit; equal logits by input index, so that the order never depends on batch composition. */
export function byLogitThenIndex(
  a: { readonly logit: number; readonly index: number },
  b: { readonly logit: number; readonly index: number },
): number {
  return b.logit - a.logit || a.index - b.index;
}
