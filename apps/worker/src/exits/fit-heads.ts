import type { FitSamples } from './collect-samples.js';
import { dealQueries } from './deal-queries.js';
import type { HeadMeasure, HeadProblem } from './head-problem.js';
import type { HeadFigures, HeadKind } from './heads-schema.js';
import { hingeCandidate } from './hinge-candidate.js';
import { featureCount } from './pair-features.js';
import { ridgeCandidate } from './ridge-candidate.js';

export interface FitOptions {
  /** Parts that queries are dealt to; each is held out once. @defaultValue 4 */
  readonly folds?: number;
  /** Penalties of the ridge to choose from, as parts of the number of pairs. @defaultValue 0.02, 0.07, 0.2, 0.7 */
  readonly penalties?: readonly number[];
}

/** A head with what was found out about it. */
export interface FittedHead {
  readonly figures: HeadFigures;
  readonly kind: HeadKind;
  /** Of the ridge, whether or not it was kept. */
  readonly penalty: number;
  /** Correlation within the pairs of each query, on queries that were held out: what decides on the order. */
  readonly within: number;
  /** The kind that was not kept. */
  readonly other: HeadMeasure & { readonly kind: HeadKind };
  /** Predicted logit of each pair, in their order, by a head that was fitted without its query. */
  readonly heldOut: Float32Array;
}

/** One for each fold. */
export const LEAST_QUERIES = 4;
const DEFAULTS = { folds: LEAST_QUERIES, penalties: [0.02, 0.07, 0.2, 0.7] } as const;

/**
 * Fits a head for each cut, from the standardised features to the model's own logit: a ridge regression, in closed form, and a few hinges, by gradient descent. What they are
 * off by is measured on pairs of queries that were held out. Hinges are kept where they are off by less and tell the pairs of a query apart no worse.
 *
 * @throws RerankError `invalid_request` with pairs of fewer queries than folds
 */
export function fitHeads(samples: FitSamples, options: FitOptions = {}): FittedHead[] {
  return samples.cuts.map((_, cut) => fitHead(samples, cut, options));
}

/** The same for the cut of an index. @throws RerankError as `fitHeads` */
export function fitHead({ width, queries, logits, cuts, features }: FitSamples, cut: number, options: FitOptions = {}): FittedHead {
  const { folds = DEFAULTS.folds, penalties = DEFAULTS.penalties } = options;
  const layer = cuts[cut]!;
  const problem: HeadProblem = {
    layer,
    features: features[cut]!,
    size: featureCount(width),
    queries,
    logits,
    ...dealQueries(queries, folds),
  };
  const [ridge, hinges] = [ridgeCandidate(problem, penalties), hingeCandidate(problem)];
  const isBetter = hinges.measure.sigma < ridge.measure.sigma && hinges.measure.within >= ridge.measure.within;
  const [kept, other] = isBetter ? [hinges, ridge] : [ridge, hinges];
  const { sigma, correlation, within } = kept.measure;
  return {
    figures: { layer, sigma, correlation, ...kept.figures },
    kind: kept.kind,
    penalty: ridge.penalty,
    within,
    other: { kind: other.kind, ...other.measure },
    heldOut: kept.heldOut,
  };
}

/** Bytes that the fit of one cut takes beside its features: those once more as the ridge takes them, and its normal equations. */
export function fitBytes(pairs: number, width: number): number {
  const size = featureCount(width);
  return pairs * size * Float32Array.BYTES_PER_ELEMENT + size * size * Float64Array.BYTES_PER_ELEMENT * (DEFAULTS.folds + 2);
}
