import type { Redis } from 'ioredis';
import { BATCH_EVENTS_CHANNEL } from './redis-batch-ledger.js';
import { Subscription } from './subscription.js';

/** Tells of which batch jobs something has changed: one subscription a process. Some may be lost with a connection, so listeners look for themselves, too. */
export class BatchEvents {
  readonly #listeners = new Set<(job: string) => void>();
  #subscription: Subscription | undefined;

  /** `subscriber` becomes its own. */
  static async start(subscriber: Redis): Promise<BatchEvents> {
    const events = new BatchEvents();
    events.#subscription = await Subscription.open(subscriber, BATCH_EVENTS_CHANNEL, (job) => {
      for (const listener of events.#listeners) listener(job);
    });
    return events;
  }

  /** @returns what ends the listening */
  listen(listener: (job: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  stop(): void {
    this.#subscription?.close();
  }
}
