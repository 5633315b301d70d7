import type { Redis } from 'ioredis';
import { BATCH_EVENTS_CHANNEL } from './redis-batch-ledger.js';

/** Tells of which batch jobs something has changed: one subscription a process. Some may be lost with a connection, so listeners look for themselves, too. */
export class BatchEvents {
  readonly #subscriber: Redis;
  readonly #listeners = new Set<(job: string) => void>();

  private constructor(subscriber: Redis) {
    this.#subscriber = subscriber;
    subscriber.on('message', (_channel: string, job: string) => {
      for (const listener of this.#listeners) listener(job);
    });
  }

  /** `subscriber` becomes its own. */
  static async start(subscriber: Redis): Promise<BatchEvents> {
    const events = new BatchEvents(subscriber);
    await subscriber.subscribe(BATCH_EVENTS_CHANNEL);
    return events;
  }

  /** @returns what ends the listening */
  listen(listener: (job: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  stop(): void {
    this.#subscriber.disconnect();
  }
}
