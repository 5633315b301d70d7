import { createHash } from 'node:crypto';
import type { CrossEncoder, PairRequest, PairScore, PairScores } from '@rerank-fleet/core/ports';

/** Scores of earlier pairs; an LRU in the worker's memory. */
export interface ScoreCache {
  get(key: string): PairScore | undefined;
  set(key: string, score: PairScore): unknown;
}

/** Running totals since start. */
export interface CacheStats {
  readonly hits: number;
  readonly misses: number;
}

/**
 * Takes scores that the same tenant got before from the same file of the model, and scores only the rest. A key holds everything that decides a score but
 * the batch mates, and digests in place of texts. Requests without `cacheFor` pass through.
 */
export class CachingCrossEncoder implements CrossEncoder {
  readonly #scorer: CrossEncoder;
  readonly #cache: ScoreCache;
  #hits = 0;
  #misses = 0;

  constructor(scorer: CrossEncoder, cache: ScoreCache) {
    this.#scorer = scorer;
    this.#cache = cache;
  }

  get name(): string {
    return this.#scorer.name;
  }

  get sha256(): string {
    return this.#scorer.sha256;
  }

  get stats(): CacheStats {
    return { hits: this.#hits, misses: this.#misses };
  }

  async score(request: PairRequest): Promise<PairScores> {
    if (request.cacheFor === undefined) return await this.#scorer.score(request);
    const keys = this.#keys(request, request.cacheFor);
    const known = keys.map((key) => this.#cache.get(key));
    const missing = [...known.keys()].filter((index) => known[index] === undefined);
    this.#hits += keys.length - missing.length;
    this.#misses += missing.length;
    if (missing.length === 0) return { scores: known as PairScore[], timingsMs: { tokenize: 0, score: 0 } };
    const fresh = await this.#scorer.score({ ...request, passages: missing.map((index) => request.passages[index]!) });
    missing.forEach((index, position) => {
      const score = fresh.scores[position]!;
      known[index] = score;
      this.#cache.set(keys[index]!, score);
    });
    return { scores: known as PairScore[], timingsMs: fresh.timingsMs };
  }

  /** The scope is JSON, so it ends where it says; what follows is the passage. */
  #keys({ query, passages, longDocument, maxPassageTokens, deterministic }: PairRequest, tenant: string): string[] {
    const scope = createHash('sha256').update(
      JSON.stringify([tenant, this.sha256, deterministic, longDocument, maxPassageTokens ?? null, query]),
    );
    return passages.map((passage) => scope.copy().update(passage).digest('base64'));
  }
}
