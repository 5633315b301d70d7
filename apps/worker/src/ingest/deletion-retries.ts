import { setTimeout as sleep } from 'node:timers/promises';
import type { PendingDelete } from '@rerank-fleet/core/domain';
import { settleDelete, type SettlingParts } from './settle-deletes.js';

export interface DeletionRetriesParts extends SettlingParts {
  /** Milliseconds before the next attempt, after so many that failed one after the other. */
  readonly pauseMs: (failures: number) => number;
}

/**
 * Deletions that failed in this process. Their documents may be gone from the record and still be in an index, where searches find them: they go on as soon as the
 * stores let them, long before `settleDeletes` would take them for left alone. What dies with the process is left to that.
 */
export class DeletionRetries {
  readonly #parts: DeletionRetriesParts;
  readonly #cut = new Set<string>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(parts: DeletionRetriesParts) {
    this.#parts = parts;
  }

  /** Nobody has it in hand any more. One that was never written down has not begun, and is left. */
  take({ id }: Pick<PendingDelete, 'id'>): void {
    this.#cut.add(id);
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Resolves when nothing is under way. What is left is the next process'. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 1; this.#cut.size > 0 && !signal.aborted; failures += 1) {
      await sleep(this.#parts.pauseMs(failures), undefined, { signal }).catch(() => undefined);
      await this.#settle().catch((error: unknown) =>
        this.#parts.log.warn({ err: error }, 'Deletions that had been cut short could not be looked up; it is tried again.'),
      );
    }
  }

  async #settle(): Promise<void> {
    const taken = [...this.#cut];
    const pending = new Map((await this.#parts.documents.listPendingDeletes()).map((each) => [each.id, each]));
    for (const id of taken) {
      if (this.#stopping.signal.aborted) return;
      const deletion = pending.get(id);
      if (deletion === undefined || (await settleDelete(this.#parts, deletion))) this.#cut.delete(id);
    }
  }
}
