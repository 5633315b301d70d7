import { InvariantError, invariant } from '@rerank-fleet/core/errors';
import type { HeadFigures, HeadsFile } from './heads-schema.js';
import type { ExitHead, ExitPredictor } from './exit-predictor.js';
import { decodeHalves } from './half-floats.js';
import { featureCount } from './pool-features.js';

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

/** Linear in the features. */
class RidgeHead implements ExitHead {
  readonly layer: number;
  readonly sigma: number;
  readonly correlation: number;
  readonly #bias: number;
  readonly #weights: Float32Array;

  constructor(figures: HeadFigures, inputs: number) {
    this.layer = figures.layer;
    this.sigma = figures.sigma;
    this.correlation = figures.correlation;
    this.#bias = figures.bias;
    this.#weights = decodeHalves(figures.weights);
    invariant(this.#weights.length === inputs, 'A head has too many or too few weights.');
  }

  predict(features: Float32Array): number {
    let sum = this.#bias;
    for (let at = 0; at < this.#weights.length; at += 1) sum += features[at]! * this.#weights[at]!;
    return sum;
  }
}
