import { setTimeout as sleep } from 'node:timers/promises';
import { callOnce } from './http-call.ts';

const PAUSE_MS = 50;
const PATIENCE_MS = 30_000;

/** How late the API and this process are by themselves, on a machine that many share: it asks for what needs nobody else. */
export class LagWatch {
  readonly #url: () => string;
  readonly #watching: Promise<void>;
  /** Answered looks, in order. */
  readonly #looks: { readonly startedAt: number; readonly endedAt: number }[] = [];
  #lookingSince: number | undefined;
  #stopping = false;

  constructor(url: () => string) {
    this.#url = url;
    this.#watching = this.#watch();
  }

  /** Milliseconds that the longest answer took of those that came since, one that is still awaited included. */
  since(at: number): number {
    const pending = this.#lookingSince === undefined ? 0 : performance.now() - this.#lookingSince;
    return this.#longest((look) => look.endedAt >= at, pending);
  }

  /** Milliseconds that the longest answer took of those that were under way at that moment, or came next: so late may a call of then have arrived. */
  around(at: number): number {
    const next = this.#looks.find((look) => look.endedAt >= at);
    return this.#longest((look) => look === next || (look.endedAt >= at && look.startedAt <= at + 2 * PAUSE_MS), 0);
  }

  #longest(counts: (look: { readonly startedAt: number; readonly endedAt: number }) => boolean, atLeast: number): number {
    return this.#looks.filter(counts).reduce((longest, { startedAt, endedAt }) => Math.max(longest, endedAt - startedAt), atLeast);
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
      if (outcome.kind === 'answered') this.#looks.push({ startedAt, endedAt });
      await sleep(PAUSE_MS);
    }
  }
}
