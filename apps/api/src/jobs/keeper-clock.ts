import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { RerankError } from '@rerank-fleet/core/errors';
import type { BatchKeeper } from '@rerank-fleet/core/jobs';
import type { Logger } from 'pino';

const SWEEP_MS = 2_000;
const RECOVER_MS = 60_000;

/** Has the keeper of batch jobs look around, so that jobs expire and end where no worker lives. Starts and stops with the application. */
export class KeeperClock implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #keeper: Pick<BatchKeeper, 'sweep' | 'recover'>;
  readonly #logger: Logger;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #running = new Map<string, Promise<void>>();

  constructor(keeper: Pick<BatchKeeper, 'sweep' | 'recover'>, logger: Logger) {
    this.#keeper = keeper;
    this.#logger = logger;
  }

  onApplicationBootstrap(): void {
    this.#every(RECOVER_MS, 'recover');
    this.#every(SWEEP_MS, 'sweep');
    this.#run('recover');
  }

  /** What is under way comes to its end before its connections are closed. */
  async beforeApplicationShutdown(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#running.values());
  }

  #every(periodMs: number, what: 'sweep' | 'recover'): void {
    this.#timers.push(setInterval(() => this.#run(what), periodMs).unref());
  }

  /** One that takes longer than its period is left to end. */
  #run(what: 'sweep' | 'recover'): void {
    if (this.#running.has(what)) return;
    const run = this.#keeper
      [what]()
      .catch((error: unknown) => {
        // That Redis is away is told by its connection; the next look comes anyway.
        if (!(error instanceof RerankError) || error.code !== 'queue_unavailable')
          this.#logger.error({ err: error }, `looking after batch jobs failed (${what}); trying again`);
      })
      .finally(() => this.#running.delete(what));
    this.#running.set(what, run);
  }
}
