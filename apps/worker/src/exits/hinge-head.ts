import type { ExitHead } from './exit-predictor.js';
import type { HalfHingeHeadFigures, HingeHeadFigures } from './heads-schema.js';
import { unitWeights } from './unit-weights.js';

/** bias + Σ outₖ · max(0, wₖ·x + bₖ) of the features x. */
export class HingeHead implements ExitHead {
  readonly layer: number;
  readonly sigma: number;
  readonly correlation: number;
  readonly #inputs: number;
  readonly #bias: number;
  /** `[hinges, inputs]` in row-major order. */
  readonly #weights: Float32Array;
  readonly #biases: Float64Array;
  readonly #outs: Float64Array;

  /** @throws as `unitWeights` */
  constructor(figures: HingeHeadFigures | HalfHingeHeadFigures, inputs: number) {
    const { layer, sigma, correlation, bias } = figures;
    const units: readonly { readonly bias: number; readonly out: number }[] = figures.units;
    this.layer = layer;
    this.sigma = sigma;
    this.correlation = correlation;
    this.#inputs = inputs;
    this.#bias = bias;
    this.#biases = Float64Array.from(units, (unit) => unit.bias);
    this.#outs = Float64Array.from(units, (unit) => unit.out);
    this.#weights = new Float32Array(units.length * inputs);
    unitWeights(figures, inputs).forEach((weights, at) => this.#weights.set(weights, at * inputs));
  }

  predict(features: Float32Array): number {
    const [inputs, weights] = [this.#inputs, this.#weights];
    let prediction = this.#bias;
    for (let unit = 0; unit < this.#outs.length; unit += 1) {
      const start = unit * inputs;
      let sum = this.#biases[unit]!;
      for (let at = 0; at < inputs; at += 1) sum += features[at]! * weights[start + at]!;
      if (sum > 0) prediction += this.#outs[unit]! * sum;
    }
    return prediction;
  }
}
