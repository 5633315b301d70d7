const [FIRST_DECAY, SECOND_DECAY, EPSILON] = [0.9, 0.999, 1e-8] as const;

/** Steps against a gradient, each number's by the size that its gradients had so far (Kingma and Ba 2015). */
export class Adam {
  readonly #values: Float64Array;
  readonly #means: Float64Array;
  readonly #squares: Float64Array;
  #steps = 0;

  /** @param values are moved in place */
  constructor(values: Float64Array) {
    this.#values = values;
    this.#means = new Float64Array(values.length);
    this.#squares = new Float64Array(values.length);
  }

  step(gradient: Float64Array, rate: number): void {
    const [values, means, squares] = [this.#values, this.#means, this.#squares];
    this.#steps += 1;
    const meanShare = 1 / (1 - FIRST_DECAY ** this.#steps);
    const squareShare = 1 / (1 - SECOND_DECAY ** this.#steps);
    for (let at = 0; at < values.length; at += 1) {
      const slope = gradient[at]!;
      const mean = FIRST_DECAY * means[at]! + (1 - FIRST_DECAY) * slope;
      const square = SECOND_DECAY * squares[at]! + (1 - SECOND_DECAY) * slope * slope;
      means[at] = mean;
      squares[at] = square;
      values[at]! -= (rate * mean * meanShare) / (Math.sqrt(square * squareShare) + EPSILON);
    }
  }
}
