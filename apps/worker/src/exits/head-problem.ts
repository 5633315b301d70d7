import { correlationOf, deviationOf, withoutMeans } from './correlation.js';
import type { DealtPairs } from './deal-queries.js';
import type { HeadKind, HingeFigures, RidgeFigures } from './heads-schema.js';

/** What the head of one cut is fitted on. */
export interface HeadProblem extends DealtPairs {
  readonly layer: number;
  /** `[pairs, size]` in row-major order. */
  readonly features: Float32Array;
  readonly size: number;
  readonly queries: Int32Array;
  readonly logits: Float32Array;
}

/** What a head is off by, on queries that it was not fitted on. */
export interface HeadMeasure {
  /** Standard deviation, in logits. */
  readonly sigma: number;
  /** Of predictions and logits. */
  readonly correlation: number;
  /** The same within the pairs of each query: what decides on the order. */
  readonly within: number;
}

/** A head of one kind. */
export interface HeadCandidate<Figures extends RidgeFigures | HingeFigures> {
  readonly kind: HeadKind;
  readonly figures: Figures;
  readonly measure: HeadMeasure;
  /** Predicted logit of each pair, in their order, by a head that was fitted without its query. */
  readonly heldOut: Float32Array;
}

export function measure(heldOut: Float32Array, { queries, logits }: HeadProblem): HeadMeasure {
  return {
    sigma: deviationOf(heldOut, logits),
    correlation: correlationOf(heldOut, logits),
    within: correlationOf(withoutMeans(heldOut, queries), withoutMeans(logits, queries)),
  };
}
