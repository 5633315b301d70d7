import type { WorkerAnnouncement } from '@rerank-fleet/core/contracts';
import type { CacheStats } from '../pipeline/caching-cross-encoder.js';
import type { EngineTotals } from './engine-meter.js';

type Stats = NonNullable<WorkerAnnouncement['stats']>;

/** Pairs a second are those of about this time. */
const RATE_MS = 30_000;

export interface WorkerStatsParts {
  readonly totals: () => EngineTotals;
  readonly cache: () => CacheStats;
  readonly pairsWaiting: () => number;
  /** Batches that run at once. @defaultValue 1 */
  readonly sessions?: () => number;
  /** Monotonic milliseconds. @defaultValue performance.now */
  readonly now?: () => number;
}

/** What a worker says of its work with each heartbeat. */
export class WorkerStats {
  readonly #parts: WorkerStatsParts;
  readonly #now: () => number;
  /** The first is the one that rates are measured from. */
  readonly #samples: { readonly at: number; readonly pairs: number }[];

  constructor(parts: WorkerStatsParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
    this.#samples = [{ at: this.#now(), pairs: parts.totals().pairs }];
  }

  /** Called with each heartbeat. */
  read(): Stats {
    const { pairs, batches, tokens, paddedTokens, budgetTokens, tokensPerS } = this.#parts.totals();
    const { hits, misses } = this.#parts.cache();
    return {
      pairs_scored: pairs,
      batches,
      padding_waste: paddedTokens === 0 ? 0 : 1 - tokens / paddedTokens,
      batch_fill: budgetTokens === 0 ? 0 : paddedTokens / budgetTokens,
      pairs_per_s: this.#rate(pairs),
      ...(tokensPerS === undefined ? {} : { tokens_per_s: tokensPerS * (this.#parts.sessions?.() ?? 1) }),
      pairs_waiting: this.#parts.pairsWaiting(),
      cache_hits: hits,
      cache_misses: misses,
    };
  }

  #rate(pairs: number): number {
    const at = this.#now();
    this.#samples.push({ at, pairs });
    while (this.#samples.length > 2 && at - this.#samples[1]!.at >= RATE_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    return at === first.at ? 0 : ((pairs - first.pairs) * 1_000) / (at - first.at);
  }
}
