import { InvariantError } from '@rerank-fleet/core/errors';
import { FIRST_WITH_MATCHES, type HeadFigures, type HeadsFile } from './heads-schema.js';
import type { ExitHead, ExitPredictor } from './exit-predictor.js';
import { HingeHead } from './hinge-head.js';
import { featureCount, pooledCount } from './pair-features.js';
import { RidgeHead } from './ridge-head.js';

/** Heads as a file has them. */
export class ExitHeads implements ExitPredictor {
  readonly model: string;
  readonly width: number;
  readonly layers: readonly number[];
  readonly #heads: ReadonlyMap<number, ExitHead>;

  constructor({ v, model, width, heads }: Pick<HeadsFile, 'v' | 'model' | 'width'> & { readonly heads: readonly HeadFigures[] }) {
    this.model = model;
    this.width = width;
    const inputs = v >= FIRST_WITH_MATCHES ? featureCount(width) : pooledCount(width);
    this.#heads = new Map(heads.map((figures) => [figures.layer, headOf(figures, inputs)]));
    this.layers = [...this.#heads.keys()].sort((a, b) => a - b);
  }

  at(layer: number): ExitHead {
    const head = this.#heads.get(layer);
    if (head === undefined) throw new InvariantError(`There is no exit head after layer ${layer}.`);
    return head;
  }
}

function headOf(figures: HeadFigures, inputs: number): ExitHead {
  return 'units' in figures ? new HingeHead(figures, inputs) : new RidgeHead(figures, inputs);
}
