import { setTimeout as sleep } from 'node:timers/promises';
import { callOnce } from './http-call.ts';

const PAUSE_MS = 50;
const PATIENCE_MS = 30_000;

/** How late the API and this process are by themselves, on a machine that many share: it asks for what needs nobody else. */
export class LagWatch {
  readonly #url: () => string;
  readonly #watching: Promise<void>;
  /** Ends and lengths of answered looks, in order. */
  readonly #looks: { readonly endedAt: number; readonly tookMs: number }[] = [];
  #lookingSince: number | undefined;
  #stopping = false;

  constructor(url: () => string) {
    this.#url = url;
    this.#watching = this.#watch();
  }

  /** Milliseconds that the longest answer took of those that came since, one that is still awaited included. */
  since(at: number): number {
    const pending = this.#lookingSince === undefined ? 0 : performance.now() - this.#lookingSince;
    let longest = pending;
    for (let look = this.#looks.length - 1; look >= 0 && this.#looks[look]!.endedAt >= at; look -= 1)
      longest = Math.max(longest, this.#looks[look]!.tookMs);
    return longest;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#stopping) {
      const startedAt = performance.now();
      this.#lookingSince = startedAt;
      const outcome = await callOnce(`${this.#url()}/health/live`, { patienceMs: PATIENCE_MS });
      const endedAt = performance.now();
      this.#lookingSince = undefined;
      // An API that is not there is not slow.
      if (outcome.kind === 'answered') this.#looks.push({ endedAt, tookMs: endedAt - startedAt });
      await sleep(PAUSE_MS);
    }
  }
}
