import { deviationOf } from './correlation.js';
import { decodeHalves, encodeHalves } from './half-floats.js';
import { measure, type HeadCandidate, type HeadProblem } from './head-problem.js';
import type { RidgeFigures } from './heads-schema.js';
import { RidgeFolds, type Fold } from './ridge.js';
import { standardise, type StandardDesign } from './standard-design.js';

export interface RidgeCandidate extends HeadCandidate<RidgeFigures> {
  /** The chosen one, as a part of the number of pairs. */
  readonly penalty: number;
}

/** Folds that the penalty is chosen on: more would cost as much as the fit. */
const TUNING_FOLDS = 2;

/** Fits a head in closed form: a ridge regression from the standardised features to the logit, with the penalty that does best on pairs held out. */
export function ridgeCandidate(problem: HeadProblem, penalties: readonly number[]): RidgeCandidate {
  return new RidgeFit(problem).fit(penalties);
}

/** Weights of the features as they are. */
interface Line {
  readonly weights: Float32Array | Float64Array;
  readonly bias: number;
}

class RidgeFit {
  readonly #problem: HeadProblem;
  readonly #standard: Omit<StandardDesign, 'design'>;
  readonly #ridge: RidgeFolds;

  constructor(problem: HeadProblem) {
    const { design, ...standard } = standardise(problem);
    this.#problem = problem;
    this.#standard = standard;
    this.#ridge = new RidgeFolds({ design, y: standard.y, folds: problem.folds });
  }

  fit(penalties: readonly number[]): RidgeCandidate {
    const { folds, order } = this.#problem;
    const misses = penalties.map((penalty) => this.#miss(penalty));
    const penalty = penalties[misses.indexOf(Math.min(...misses))]!;
    const heldOut = new Float32Array(order.length);
    folds.forEach((fold, at) => {
      const line = this.#line(penalty, at);
      for (const pair of order.subarray(...fold)) heldOut[pair] = this.#predict(line, pair);
    });
    const weights = encodeHalves(this.#line(penalty).weights);
    // Of the weights as they are after rounding.
    const figures = { bias: this.#biasOf(decodeHalves(weights)), weights };
    return { kind: 'ridge', figures, measure: measure(heldOut, this.#problem), heldOut, penalty };
  }

  /** What a penalty is off by on the folds that it is chosen on. */
  #miss(penalty: number): number {
    const { folds, order, logits } = this.#problem;
    const missOf = (fold: Fold, at: number): number => {
      const line = this.#line(penalty, at);
      const pairs = order.subarray(...fold);
      return deviationOf(
        Float64Array.from(pairs, (pair) => this.#predict(line, pair)),
        Float32Array.from(pairs, (pair) => logits[pair]!),
      );
    };
    return folds.slice(0, TUNING_FOLDS).reduce((sum, fold, at) => sum + missOf(fold, at), 0);
  }

  #line(penalty: number, heldOut?: number): Line {
    const { order } = this.#problem;
    const weights = this.#ridge.solve(penalty * order.length, heldOut).map((weight, at) => weight * this.#standard.scale[at]!);
    return { weights, bias: this.#biasOf(weights) };
  }

  #biasOf(weights: Float32Array | Float64Array): number {
    const { level, centre } = this.#standard;
    return Array.from(weights).reduce((sum, weight, at) => sum - weight * centre[at]!, level);
  }

  #predict({ weights, bias }: Line, pair: number): number {
    const { features, size } = this.#problem;
    const start = pair * size;
    let sum = bias;
    for (let at = 0; at < size; at += 1) sum += weights[at]! * features[start + at]!;
    return sum;
  }
}
