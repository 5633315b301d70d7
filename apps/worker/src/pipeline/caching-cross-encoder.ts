import { createHash } from 'node:crypto';
import type { CrossEncoder, PairRequest, PairScore, PairScores } from '@rerank-fleet/core/ports';
import { pointAtRequest } from './point-at-request.js';

/** Raised with every change of what a score of the same texts is: how passages are cut, which window counts, what may be kept. */
const SCORING_VERSION = 4;

/** Scores of earlier pairs; an LRU in the worker's memory. */
export interface ScoreCache {
  get(key: string): PairScore | undefined;
  set(key: string, score: PairScore): unknown;
}

/** Scores that workers share. It never rejects and never takes long: what it cannot tell in time is unknown. */
export interface SharedScoreCache {
  getMany(keys: readonly string[]): Promise<readonly (PairScore | undefined)[]>;
  setMany(entries: readonly (readonly [key: string, score: PairScore])[]): void;
}

export type CacheTier = 'memory' | 'redis';

/** Told of each look-up. It must not throw. */
export interface CacheObserver {
  lookedUp(tier: CacheTier, counts: CacheStats): void;
}

/** Asked in this order; either may be missing. */
export interface CacheTiers {
  readonly memory?: ScoreCache | undefined;
  readonly shared?: SharedScoreCache | undefined;
  readonly observer?: CacheObserver | undefined;
  /** What decides scores besides the file of the model, where workers differ in it: device, tokenizer, label. */
  readonly variant?: string | undefined;
}

/** Running totals. */
export interface CacheStats {
  readonly hits: number;
  readonly misses: number;
}

/**
 * Takes scores that the same tenant got before from the same file of the model, and scores only the rest. A key holds everything that decides a score but
 * the batch mates, and digests in place of texts; predictions are not kept, nor what hangs on them. Requests without `cacheFor` pass through.
 */
export class CachingCrossEncoder implements CrossEncoder {
  readonly #scorer: CrossEncoder;
  readonly #tiers: CacheTiers;
  #hits = 0;
  #misses = 0;

  constructor(scorer: CrossEncoder, tiers: CacheTiers) {
    this.#scorer = scorer;
    this.#tiers = tiers;
  }

  get name(): string {
    return this.#scorer.name;
  }

  get sha256(): string {
    return this.#scorer.sha256;
  }

  /** Of pairs, whatever the tier. */
  get stats(): CacheStats {
    return { hits: this.#hits, misses: this.#misses };
  }

  async score(request: PairRequest): Promise<PairScores> {
    if (request.cacheFor === undefined) return await this.#scorer.score(request);
    const keys = this.#keys(request, request.cacheFor);
    const known: (PairScore | undefined)[] = keys.map((key) => this.#tiers.memory?.get(key));
    if (this.#tiers.memory !== undefined) this.#note('memory', known);
    await this.#lookUpShared(keys, known);
    const missing = unknownIn(known);
    this.#hits += keys.length - missing.length;
    this.#misses += missing.length;
    if (missing.length === 0) return { scores: known as PairScore[], ...whyFull(request), timingsMs: { tokenize: 0, score: 0 } };
    const fresh = await this.#scorer.score(partOf(request, missing, known)).catch((error: unknown) => {
      throw missing.length === keys.length ? error : pointAtRequest(error, this, missing);
    });
    missing.forEach((index, position) => (known[index] = fresh.scores[position]!));
    const kept = missing.filter((index) => isOfWholePassage(known[index]!)).map((index) => [keys[index]!, known[index]!] as const);
    for (const [key, score] of kept) this.#tiers.memory?.set(key, score);
    this.#tiers.shared?.setMany(kept);
    return { ...fresh, scores: known as PairScore[] };
  }

  /** Fills gaps in `known`, and memory with them. */
  async #lookUpShared(keys: readonly string[], known: (PairScore | undefined)[]): Promise<void> {
    const gaps = unknownIn(known);
    if (this.#tiers.shared === undefined || gaps.length === 0) return;
    const found = await this.#tiers.shared.getMany(gaps.map((index) => keys[index]!));
    this.#note('redis', found);
    found.forEach((score, position) => {
      if (score === undefined) return;
      known[gaps[position]!] = score;
      this.#tiers.memory?.set(keys[gaps[position]!]!, score);
    });
  }

  #note(tier: CacheTier, found: readonly (PairScore | undefined)[]): void {
    const misses = unknownIn(found).length;
    this.#tiers.observer?.lookedUp(tier, { hits: found.length - misses, misses });
  }

  /** The scope is JSON, so it ends where it says; what follows is the passage. */
  #keys({ query, passages, longDocument, maxPassageTokens, deterministic }: PairRequest, tenant: string): string[] {
    const model = [SCORING_VERSION, this.sha256, this.#tiers.variant ?? ''];
    const scope = createHash('sha256').update(
      JSON.stringify([...model, tenant, deterministic, longDocument, maxPassageTokens ?? null, query]),
    );
    return passages.map((passage) => scope.copy().update(passage).digest('base64'));
  }
}

/** The request for passages whose score is not known; the known ones are competitors of those that may leave early. */
function partOf(request: PairRequest, missing: readonly number[], known: readonly (PairScore | undefined)[]): PairRequest {
  const passages = missing.map((index) => request.passages[index]!);
  const { exit } = request;
  if (exit === undefined) return { ...request, passages };
  const groupOf = (index: number): { readonly group?: string } => (exit.groups === undefined ? {} : { group: exit.groups[index]! });
  const competitors = known.flatMap((score, index) => (score === undefined ? [] : [{ logit: score.logit, ...groupOf(index) }]));
  const groups = exit.groups === undefined ? {} : { groups: missing.map((index) => exit.groups![index]!) };
  return { ...request, passages, exit: { ...exit, ...groups, known: competitors } };
}

/** What is kept is of all layers, though less was asked for: there was nobody who could leave. */
function whyFull({ exit, deterministic }: PairRequest): Pick<PairScores, 'fullReason'> {
  if (exit === undefined) return {};
  return { fullReason: deterministic ? 'deterministic' : 'few_candidates' };
}

/** All layers scored all of it. */
const isOfWholePassage = ({ exitLayer, partial }: PairScore): boolean => exitLayer === undefined && partial !== true;

const unknownIn = (scores: readonly (PairScore | undefined)[]): number[] =>
  [...scores.keys()].filter((index) => scores[index] === undefined);
