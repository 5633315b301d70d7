/**
 * Random nonlinear features of a vector, in the time of sorting it: signs, a Walsh-Hadamard transform, and what is above zero of each number (as Le, Sarlós and Smola
 * 2013, "Fastfood", with one transform). A ridge regression on these is one on a kernel that a linear one cannot express.
 */
export class RandomFeatures {
  /** Of the transform: the next power of two. */
  readonly #size: number;
  readonly #signs: Float32Array;
  readonly #work: Float32Array;
  readonly #inputs: number;

  /** The same seed gives the same features on every machine. */
  constructor(inputs: number, seed: number) {
    this.#inputs = inputs;
    this.#size = 2 ** Math.ceil(Math.log2(Math.max(2, inputs)));
    this.#signs = randomSigns(inputs, seed);
    this.#work = new Float32Array(this.#size);
  }

  /** Features there are: as many as the transform has outputs. */
  get count(): number {
    return this.#size;
  }

  /** Of a standardised vector. The result is overwritten by the next call. */
  of(values: Float32Array): Float32Array {
    const scale = 1 / Math.sqrt(this.#inputs);
    for (let at = 0; at < this.#inputs; at += 1) this.#work[at] = values[at]! * this.#signs[at]! * scale;
    this.#work.fill(0, this.#inputs);
    transform(this.#work);
    for (let at = 0; at < this.#size; at += 1) if (this.#work[at]! < 0) this.#work[at] = 0;
    return this.#work;
  }
}

/** Walsh-Hadamard, in place, not scaled. The length is a power of two. */
export function transform(values: Float32Array): void {
  for (let half = 1; half < values.length; half *= 2) {
    for (let start = 0; start < values.length; start += 2 * half) {
      for (let at = start; at < start + half; at += 1) {
        const [a, b] = [values[at]!, values[at + half]!];
        values[at] = a + b;
        values[at + half] = a - b;
      }
    }
  }
}

/** ±1, by the top bits of a 32-bit generator (mulberry32). */
function randomSigns(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 31 === 0 ? 1 : -1;
  });
}
