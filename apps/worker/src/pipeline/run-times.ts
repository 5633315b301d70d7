/** Weight of the latest batch: the last five or so decide, so that the estimate follows a machine that others use, too. */
const WEIGHT = 0.2;

/** A batch that a runner has in hand. */
export interface Flight {
  readonly model: string;
  readonly paddedTokens: number;
  /** Of `performance.now()`; Infinity while it waits behind another. */
  startedAt: number;
}

/** How long batches take, learned from those that came back, and so how much of those in flight is still to do. */
export class RunTimes {
  /** By model. */
  readonly #msPerToken = new Map<string, number>();
  readonly #flights = new Set<Flight>();

  begin(model: string, paddedTokens: number, isBehind = false): Flight {
    const flight = { model, paddedTokens, startedAt: isBehind ? Infinity : performance.now() };
    this.#flights.add(flight);
    return flight;
  }

  /** What it waited behind has come back. */
  start(flight: Flight): void {
    flight.startedAt = performance.now();
  }

  end(flight: Flight): void {
    this.#flights.delete(flight);
  }

  /** A batch of the model ran. One that took no time tells nothing. */
  learn(model: string, paddedTokens: number, ms: number): void {
    if (!(ms > 0)) return;
    const latest = ms / paddedTokens;
    const known = this.#msPerToken.get(model) ?? latest;
    this.#msPerToken.set(model, known + (latest - known) * WEIGHT);
  }

  /** What is left of all in flight, in padded tokens of `model`. A batch of a model of which nothing is known counts whole, and token for token. */
  tokensLeft(model: string): number {
    const own = this.#msPerToken.get(model);
    let tokens = 0;
    for (const flight of this.#flights) {
      const msPerToken = this.#msPerToken.get(flight.model);
      if (msPerToken === undefined) tokens += flight.paddedTokens;
      else
        tokens += Math.max(0, flight.paddedTokens * msPerToken - Math.max(0, performance.now() - flight.startedAt)) / (own ?? msPerToken);
    }
    return tokens;
  }
}
