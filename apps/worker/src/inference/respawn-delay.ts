const FIRST_MS = 100;
const LONGEST_MS = 10_000;
/** Deaths further apart than this have nothing to do with each other. */
const STABLE_MS = 60_000;

/** How long a thread that died waits before it is started again: not at all the first time, then longer with every death that follows soon. */
export class RespawnDelay {
  #deaths = 0;
  #diedAt = -Infinity;

  /** Notes a death. `now` is of a monotonic clock, in milliseconds; so is the answer. */
  afterDeath(now: number): number {
    this.#deaths = now - this.#diedAt > STABLE_MS ? 1 : this.#deaths + 1;
    this.#diedAt = now;
    return this.#deaths === 1 ? 0 : Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.#deaths - 2));
  }
}
