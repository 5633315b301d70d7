import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { Logger } from 'pino';

const SWEEP_MS = 15_000;
const PURGE_MS = 3_600_000;

export interface ValidationClockParts {
  readonly validator: { sweep(): Promise<void>; stop(): Promise<void> };
  readonly purge: () => Promise<void>;
  readonly logger: Logger;
}

/** Has batches that nobody checks any more taken up, and files whose time is over removed. Starts and stops with the application. */
export class ValidationClock implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #parts: ValidationClockParts;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #running = new Map<string, Promise<void>>();

  constructor(parts: ValidationClockParts) {
    this.#parts = parts;
  }

  onApplicationBootstrap(): void {
    const { validator, purge } = this.#parts;
    this.#every(SWEEP_MS, 'sweep', () => validator.sweep());
    this.#every(PURGE_MS, 'purge', purge);
    this.#run('sweep', () => validator.sweep());
  }

  async beforeApplicationShutdown(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#running.values());
    await this.#parts.validator.stop();
  }

  #every(periodMs: number, what: string, work: () => Promise<void>): void {
    this.#timers.push(setInterval(() => this.#run(what, work), periodMs).unref());
  }

  /** One that takes longer than its period is left to end. */
  #run(what: string, work: () => Promise<void>): void {
    if (this.#running.has(what)) return;
    const run = work()
      .catch((error: unknown) => this.#parts.logger.error({ err: error }, `looking after files and batches failed (${what}); trying again`))
      .finally(() => this.#running.delete(what));
    this.#running.set(what, run);
  }
}
