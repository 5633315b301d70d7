import { mendsWithTime, RerankError } from '../../errors/index.js';

/**
 * A network may hold a write back that its writer has given up, and bring it after later writes. A server does not tell, so who gave it up looks again: soon, and when
 * nothing can be on its way any more.
 */
const LOOKS_MS = [2_000, 15_000, 120_000];
/** Documents that one look names. */
const MAX_DOCUMENTS = 100;
/** Documents of one collection that wait for the same look. */
const MAX_WAITING = 50_000;

/** Looks at documents of a collection. @throws RerankError `candidate_store_unavailable`, `storage_full`, `corpus_not_found` */
export type Look = (collection: string, documentIds: readonly string[]) => Promise<void>;

export interface LateLooksOptions {
  /** Milliseconds after a write. */
  readonly looksMs?: readonly number[];
  /** Beyond it the documents that have waited longest are left to their next write. */
  readonly maxWaiting?: number;
}

/** Documents of one collection that are looked at together, and those that came since and are too young for that. */
interface Round {
  readonly ms: number;
  readonly collection: string;
  /** Those that have waited longest come first. */
  next: Set<string>;
}

/**
 * Looks again at documents, those of a collection together: each after its delay at the earliest, after twice the delay and the time of a look at the latest. While the
 * server is away nothing comes to it either, and the documents wait for another round; any other failure ends the looks.
 */
export class LateLooks {
  readonly #look: Look;
  readonly #looksMs: readonly number[];
  readonly #maxWaiting: number;
  readonly #rounds = new Map<string, Round>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #isClosed = false;

  constructor(look: Look, { looksMs = LOOKS_MS, maxWaiting = MAX_WAITING }: LateLooksOptions = {}) {
    this.#look = look;
    this.#looksMs = looksMs;
    this.#maxWaiting = maxWaiting;
  }

  /** Nobody heard what became of a write of these documents. */
  begin(collection: string, documentIds: readonly string[]): void {
    if (this.#isClosed) return;
    for (const ms of this.#looksMs) {
      const key = `${String(ms)} ${collection}`;
      const round = this.#rounds.get(key);
      if (round === undefined) this.#arm(key, { ms, collection, next: new Set(documentIds) });
      else this.#wait(round, documentIds);
    }
  }

  /** Looks that are left to be done are not. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#rounds.clear();
  }

  #wait({ next }: Round, documentIds: readonly string[]): void {
    for (const id of documentIds) {
      next.delete(id);
      next.add(id);
    }
    for (const longest of next) {
      if (next.size <= this.#maxWaiting) return;
      next.delete(longest);
    }
  }

  /** What comes from now on is for the round after this one. */
  #arm(key: string, round: Round): void {
    const due = [...round.next];
    round.next = new Set();
    this.#rounds.set(key, round);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#lookAt(round, due).then((left) => this.#endRound(key, round, left));
    }, round.ms).unref();
    this.#timers.add(timer);
  }

  #endRound(key: string, round: Round, left: readonly string[]): void {
    if (this.#isClosed) return;
    const came = [...round.next];
    round.next = new Set(left);
    this.#wait(round, came);
    if (round.next.size === 0) this.#rounds.delete(key);
    else this.#arm(key, round);
  }

  /** Resolves to those that are to be looked at again. */
  async #lookAt(round: Round, due: readonly string[]): Promise<readonly string[]> {
    for (let first = 0; first < due.length && !this.#isClosed; first += MAX_DOCUMENTS) {
      try {
        await this.#look(round.collection, due.slice(first, first + MAX_DOCUMENTS));
      } catch (error) {
        if (mendsWithTime(error)) return due.slice(first);
        // A collection that is gone never comes back under its name.
        if (!(error instanceof RerankError) || error.code !== 'corpus_not_found') continue;
        round.next.clear();
        return [];
      }
    }
    return [];
  }
}
