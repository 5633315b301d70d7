import { InvariantError, invariant } from '@rerank-fleet/core/errors';
import type { HeadFigures, HeadsFile } from './heads-schema.js';
import type { ExitHead, ExitPredictor } from './exit-predictor.js';
import { decodeHalves } from './half-floats.js';
import { featureCount } from './pool-features.js';
import { RandomFeatures } from './random-features.js';

/** Heads as a file has them. */
export class ExitHeads implements ExitPredictor {
  readonly model: string;
  readonly width: number;
  readonly layers: readonly number[];
  readonly #heads: ReadonlyMap<number, ExitHead>;

  constructor({ model, width, heads }: Pick<HeadsFile, 'model' | 'width' | 'heads'>) {
    this.model = model;
    this.width = width;
    this.#heads = new Map(heads.map((figures) => [figures.layer, new RidgeHead(figures, featureCount(width))]));
    this.layers = [...this.#heads.keys()].sort((a, b) => a - b);
  }

  at(layer: number): ExitHead {
    const head = this.#heads.get(layer);
    if (head === undefined) throw new InvariantError(`There is no exit head after layer ${layer}.`);
    return head;
  }
}

/** Linear in the standardised features, and in random features of them where it has any. */
class RidgeHead implements ExitHead {
  readonly layer: number;
  readonly sigma: number;
  readonly correlation: number;
  readonly #bias: number;
  readonly #centre: Float32Array;
  readonly #scale: Float32Array;
  readonly #weights: Float32Array;
  readonly #random: { readonly features: RandomFeatures; readonly weights: Float32Array } | undefined;
  readonly #standard: Float32Array;

  constructor(figures: HeadFigures, inputs: number) {
    this.layer = figures.layer;
    this.sigma = figures.sigma;
    this.correlation = figures.correlation;
    this.#bias = figures.bias;
    [this.#centre, this.#scale, this.#weights] = [figures.centre, figures.scale, figures.weights].map(decodeHalves) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    this.#standard = new Float32Array(inputs);
    const { random } = figures;
    if (random !== undefined) this.#random = { features: new RandomFeatures(inputs, random.seed), weights: decodeHalves(random.weights) };
    const fits = [this.#centre, this.#scale, this.#weights].every(({ length }) => length === inputs);
    invariant(
      fits && (this.#random?.weights.length ?? 0) === (this.#random?.features.count ?? 0),
      'A head has too many or too few weights.',
    );
  }

  predict(features: Float32Array): number {
    let sum = this.#bias;
    for (let at = 0; at < this.#standard.length; at += 1) {
      const value = (features[at]! - this.#centre[at]!) * this.#scale[at]!;
      this.#standard[at] = value;
      sum += value * this.#weights[at]!;
    }
    if (this.#random === undefined) return sum;
    const { weights, features: random } = this.#random;
    const values = random.of(this.#standard);
    for (let at = 0; at < weights.length; at += 1) sum += values[at]! * weights[at]!;
    return sum;
  }
}
