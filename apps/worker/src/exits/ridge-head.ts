import { invariant } from '@rerank-fleet/core/errors';
import type { ExitHead } from './exit-predictor.js';
import { decodeHalves } from './half-floats.js';
import type { RidgeHeadFigures } from './heads-schema.js';

/** Linear in the features. */
export class RidgeHead implements ExitHead {
  readonly layer: number;
  readonly sigma: number;
  readonly correlation: number;
  readonly #bias: number;
  readonly #weights: Float32Array;

  constructor({ layer, sigma, correlation, bias, weights }: RidgeHeadFigures, inputs: number) {
    this.layer = layer;
    this.sigma = sigma;
    this.correlation = correlation;
    this.#bias = bias;
    this.#weights = decodeHalves(weights);
    invariant(this.#weights.length === inputs, 'A head has too many or too few weights.');
  }

  predict(features: Float32Array): number {
    let sum = this.#bias;
    for (let at = 0; at < this.#weights.length; at += 1) sum += features[at]! * this.#weights[at]!;
    return sum;
  }
}
