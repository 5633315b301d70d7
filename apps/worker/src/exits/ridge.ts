import { factorize, solveFactorized } from './cholesky.js';
import { gramMatrix, momentsOf, type Design } from './gram-matrix.js';

/** Rows that are held out together: from, up to and not including. */
export type Fold = readonly [from: number, to: number];

export interface RidgeProblem {
  readonly design: Design;
  readonly y: Float64Array;
  /** Stretches that make up all rows. Two at least. */
  readonly folds: readonly Fold[];
}

/** Normal equations of all rows and of each fold, so that any fold can be left out without looking at the rows again. */
export class RidgeFolds {
  readonly #size: number;
  readonly #parts: readonly { readonly gram: Float64Array; readonly moments: Float64Array }[];

  constructor({ design, y, folds }: RidgeProblem) {
    this.#size = design.size;
    this.#parts = folds.map((fold) => ({ gram: gramMatrix(design, fold), moments: momentsOf(design, y, fold) }));
  }

  /**
   * Weights w that make |y − Xw|² + penalty·|w|² least, over all rows but those of a fold (Hoerl and Kennard 1970).
   *
   * @param penalty above zero
   */
  solve(penalty: number, heldOut?: number): Float64Array {
    const parts = this.#parts.filter((_, fold) => fold !== heldOut);
    const matrix = sum(parts.map(({ gram }) => gram));
    for (let at = 0; at < this.#size; at += 1) matrix[at * this.#size + at]! += penalty;
    factorize(matrix, this.#size);
    return solveFactorized(matrix, this.#size, sum(parts.map(({ moments }) => moments)));
  }
}

function sum(vectors: readonly Float64Array[]): Float64Array {
  const total = new Float64Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) for (let at = 0; at < total.length; at += 1) total[at]! += vector[at]!;
  return total;
}
