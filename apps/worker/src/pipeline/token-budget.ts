/** Padded tokens that a batch of one model may hold. It only falls: what did not fit into memory once is not tried again. */
export class TokenBudget {
  #tokens: number;
  readonly #least: number;

  /** `longest`: tokens of the longest sequence there can be, below which the budget never falls. */
  constructor(tokens: number, longest: number) {
    this.#tokens = tokens;
    this.#least = Math.min(tokens, longest);
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** A batch of so many padded tokens did not fit: later ones hold half of that at most. True if this changed the budget. */
  lowerBelow(padded: number): boolean {
    const half = Math.max(this.#least, Math.floor(padded / 2));
    if (half >= this.#tokens) return false;
    this.#tokens = half;
    return true;
  }
}
