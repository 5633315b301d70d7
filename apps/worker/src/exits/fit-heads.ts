import { RerankError } from '@rerank-fleet/core/errors';
import type { FitSamples } from './collect-samples.js';
import { correlationOf, deviationOf, withoutMeans } from './correlation.js';
import { decodeHalves, encodeHalves } from './half-floats.js';
import type { HeadFigures } from './heads-schema.js';
import { featureCount } from './pool-features.js';
import { RidgeFolds, type Fold } from './ridge.js';
import { standardise, type StandardDesign } from './standard-design.js';

export interface FitOptions {
  /** Parts that queries are dealt to; each is held out once. @defaultValue 4 */
  readonly folds?: number;
  /** Penalties to choose from, as parts of the number of pairs. @defaultValue 0.02, 0.07, 0.2, 0.7 */
  readonly penalties?: readonly number[];
  readonly onHead?: ((head: FittedHead) => void) | undefined;
}

/** A head with what was found out about it. */
export interface FittedHead {
  readonly figures: HeadFigures;
  /** The chosen one. */
  readonly penalty: number;
  /** Correlation within the pairs of each query, on queries that were held out: what decides on the order. */
  readonly within: number;
  /** Predicted logit of each pair, in their order, by a head that was fitted without its query. */
  readonly heldOut: Float32Array;
}

/** One for each fold. */
export const LEAST_QUERIES = 4;
const DEFAULTS = { folds: LEAST_QUERIES, penalties: [0.02, 0.07, 0.2, 0.7] } as const;
/** Folds that the penalty is chosen on: more would cost as much as the fit. */
const TUNING_FOLDS = 2;

/**
 * Fits a head for each cut: a ridge regression from the standardised features to the model's own logit, in closed form. Penalty, standard deviation and correlations come
 * from pairs of queries that were held out.
 *
 * @throws RerankError `invalid_request` with pairs of fewer queries than folds
 */
export function fitHeads(samples: FitSamples, options: FitOptions = {}): FittedHead[] {
  const { folds: count = DEFAULTS.folds, penalties = DEFAULTS.penalties } = options;
  const { order, folds } = dealQueries(samples.queries, count);
  return samples.cuts.map((layer, cut) => {
    const head = new HeadFit(samples, { cut, order, folds }).fit(layer, penalties);
    options.onHead?.(head);
    return head;
  });
}

/** Weights of the features as they are. */
interface Line {
  readonly weights: Float32Array | Float64Array;
  readonly bias: number;
}

class HeadFit {
  readonly #features: Float32Array;
  readonly #size: number;
  readonly #order: Int32Array;
  readonly #folds: readonly Fold[];
  readonly #queries: Int32Array;
  readonly #truth: Float32Array;
  readonly #standard: StandardDesign;
  readonly #ridge: RidgeFolds;

  constructor(
    { width, queries, logits, features }: FitSamples,
    { cut, order, folds }: { readonly cut: number; readonly order: Int32Array; readonly folds: readonly Fold[] },
  ) {
    this.#features = features[cut]!;
    this.#size = featureCount(width);
    [this.#order, this.#folds] = [order, folds];
    this.#queries = order.map((pair) => queries[pair]!);
    this.#truth = Float32Array.from(order, (pair) => logits[pair]!);
    this.#standard = standardise({ features: this.#features, size: this.#size, queries, logits, order });
    this.#ridge = new RidgeFolds({ design: this.#standard.design, y: this.#standard.y, folds });
  }

  fit(layer: number, penalties: readonly number[]): FittedHead {
    const misses = penalties.map((penalty) => this.#miss(penalty));
    const penalty = penalties[misses.indexOf(Math.min(...misses))]!;
    const heldOut = Float64Array.from(this.#folds.flatMap((fold, at) => [...this.#predict(this.#line(penalty, at), fold)]));
    const weights = encodeHalves(this.#line(penalty).weights);
    // Of the weights as they are after rounding.
    const bias = this.#biasOf(decodeHalves(weights));
    const [apart, truth] = [heldOut, this.#truth].map((values) => withoutMeans(values, this.#queries)) as [Float64Array, Float64Array];
    const [sigma, correlation] = [deviationOf(heldOut, this.#truth), correlationOf(heldOut, this.#truth)];
    const inOrder = new Float32Array(heldOut.length);
    this.#order.forEach((pair, row) => (inOrder[pair] = heldOut[row]!));
    return { figures: { layer, sigma, correlation, bias, weights }, penalty, within: correlationOf(apart, truth), heldOut: inOrder };
  }

  /** What a penalty is off by on the folds that it is chosen on. */
  #miss(penalty: number): number {
    const tuned = this.#folds.slice(0, TUNING_FOLDS);
    const found = tuned.map((fold, at) => deviationOf(this.#predict(this.#line(penalty, at), fold), this.#truth.subarray(...fold)));
    return found.reduce((sum, miss) => sum + miss, 0);
  }

  #line(penalty: number, heldOut?: number): Line {
    const weights = this.#ridge.solve(penalty * this.#order.length, heldOut).map((weight, at) => weight * this.#standard.scale[at]!);
    return { weights, bias: this.#biasOf(weights) };
  }

  #biasOf(weights: Float32Array | Float64Array): number {
    const { level, centre } = this.#standard;
    return Array.from(weights).reduce((sum, weight, at) => sum - weight * centre[at]!, level);
  }

  #predict({ weights, bias }: Line, [from, to]: Fold): Float64Array {
    return Float64Array.from(this.#order.subarray(from, to), (pair) => {
      const start = pair * this.#size;
      let sum = bias;
      for (let at = 0; at < this.#size; at += 1) sum += weights[at]! * this.#features[start + at]!;
      return sum;
    });
  }
}

/** Rows by query, and queries dealt to the folds in turn, so that each fold is one stretch of rows. */
function dealQueries(queries: Int32Array, folds: number): { readonly order: Int32Array; readonly folds: readonly Fold[] } {
  const ranks = new Map([...new Set(queries)].map((query, rank) => [query, rank]));
  if (ranks.size < folds) throw new RerankError('invalid_request', `Exit heads need pairs of at least ${folds} queries.`);
  const rankOf = (pair: number): number => ranks.get(queries[pair]!)!;
  const order = Int32Array.from(queries.keys()).sort((a, b) => (rankOf(a) % folds) - (rankOf(b) % folds) || rankOf(a) - rankOf(b) || a - b);
  const sizes = new Array<number>(folds).fill(0);
  for (const pair of order) sizes[rankOf(pair) % folds]! += 1;
  let from = 0;
  return { order, folds: sizes.map((size): Fold => [from, (from += size)]) };
}
