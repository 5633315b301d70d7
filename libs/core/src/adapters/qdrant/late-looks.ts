/**
 * A network may hold a write back that its writer has given up, and bring it after later writes. A server does not tell, so who gave it up looks again: soon, and when
 * nothing can be on its way any more.
 */
const LOOKS_MS = [2_000, 15_000, 120_000];

export class LateLooks {
  readonly #look: (collection: string, documentIds: readonly string[]) => Promise<void>;
  readonly #looksMs: readonly number[];
  readonly #timers = new Set<NodeJS.Timeout>();

  /** @param looksMs milliseconds after a write */
  constructor(look: (collection: string, documentIds: readonly string[]) => Promise<void>, looksMs: readonly number[] = LOOKS_MS) {
    this.#look = look;
    this.#looksMs = looksMs;
  }

  /** Nobody heard what became of a write of these documents. */
  begin(collection: string, documentIds: readonly string[]): void {
    for (const ms of this.#looksMs) this.#lookAfter(ms, collection, documentIds);
  }

  /** Looks that are left to be done are not. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #lookAfter(ms: number, collection: string, documentIds: readonly string[]): void {
    const timer = setTimeout(() => {
      void this.#look(collection, documentIds)
        // While the server is away nothing comes to it either.
        .catch(() => this.#timers.has(timer) && this.#lookAfter(ms, collection, documentIds))
        .finally(() => this.#timers.delete(timer));
    }, ms).unref();
    this.#timers.add(timer);
  }
}
