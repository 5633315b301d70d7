/**
 * Lets documents through at a rate, as Elasticsearch's reindex does: after some, a pause for as long as they should have taken, less what they took. The rate
 * may change at any time, also during a pause.
 */
export class Throttle {
  #rate: number | undefined;
  #last = { at: -Infinity, documents: 0 };
  #changed = Promise.withResolvers<undefined>();
  #pausedMs = 0;
  #pausedSince: number | undefined;

  /** @param rate documents a second; undefined: no limit */
  constructor(rate?: number) {
    this.#rate = rate;
  }

  get rate(): number | undefined {
    return this.#rate;
  }

  set rate(rate: number | undefined) {
    if (rate === this.#rate) return;
    this.#rate = rate;
    this.#changed.resolve(undefined);
    this.#changed = Promise.withResolvers();
  }

  /** Milliseconds spent in pauses so far, the one under way included. */
  get pausedMs(): number {
    return this.#pausedMs + (this.#pausedSince === undefined ? 0 : performance.now() - this.#pausedSince);
  }

  /**
   * Resolves when so many documents may go. One caller at a time.
   *
   * @throws the signal's reason
   */
  async pass(documents: number, signal: AbortSignal): Promise<void> {
    if (documents === 0) return;
    this.#pausedSince = performance.now();
    try {
      for (let restMs = this.#restMs(); restMs > 0; restMs = this.#restMs()) {
        await restOrChange(restMs, this.#changed.promise, signal);
        signal.throwIfAborted();
      }
    } finally {
      this.#pausedMs = this.pausedMs;
      this.#pausedSince = undefined;
    }
    this.#last = { at: performance.now(), documents };
  }

  #restMs(): number {
    return this.#rate === undefined ? 0 : this.#last.at + (1_000 * this.#last.documents) / this.#rate - performance.now();
  }
}

/** Timers take no more than 2^31 ms. */
const LONGEST_REST_MS = 3_600_000;

async function restOrChange(ms: number, changed: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<undefined>();
  const end = (): void => over.resolve(undefined);
  const timer = setTimeout(end, Math.min(ms, LONGEST_REST_MS));
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  await Promise.race([over.promise, changed]);
  clearTimeout(timer);
  signal.removeEventListener('abort', end);
}
