import type { WorkerAnnouncement } from '@rerank-fleet/core/contracts';

const FRESH_FOR_MS = 1_000;

/** How fast pools are, as their workers last said. Nobody waits for an answer: a call sees what is known, and has it looked up for later ones. */
export class FleetSpeed {
  readonly #live: () => Promise<readonly WorkerAnnouncement[]>;
  #workers: readonly WorkerAnnouncement[] = [];
  #lookedAt = -Infinity;

  constructor(fleet: { live(): Promise<readonly WorkerAnnouncement[]> }) {
    this.#live = () => fleet.live();
  }

  /** Tokens a second of all workers of the pool that take work; undefined unless each of them has measured it. */
  tokensPerS(pool: string): number | undefined {
    if (performance.now() - this.#lookedAt > FRESH_FOR_MS) void this.look();
    let sum = 0;
    for (const worker of this.#workers) {
      if (worker.pool !== pool || worker.state !== 'ready') continue;
      const speed = worker.stats?.tokens_per_s;
      if (speed === undefined) return undefined;
      sum += speed;
    }
    return sum > 0 ? sum : undefined;
  }

  /** Never rejects: a fleet that cannot be asked is as one that is not known. */
  async look(): Promise<void> {
    this.#lookedAt = performance.now();
    this.#workers = await this.#live().catch(() => []);
  }
}
