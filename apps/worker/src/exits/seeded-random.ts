/** Numbers that a seed decides, so that a fit gives the same heads again (mulberry32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 32 random bits, as a whole number from 0. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.bits() / 2 ** 32;
  }

  /** Normal, of mean 0 and deviation 1 (Box and Muller 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** In place (Fisher and Yates). */
  shuffle(values: Int32Array): void {
    for (let at = values.length - 1; at > 0; at -= 1) {
      const other = Math.floor(this.uniform() * (at + 1));
      [values[at], values[other]] = [values[other]!, values[at]!];
    }
  }
}
