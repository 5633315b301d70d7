/** Why a pair cannot be scored whole. */
export type LongPairPolicy = 'truncate' | 'error';

export interface PairRequest {
  readonly query: string;
  readonly passages: readonly string[];
  /** `truncate` cuts the end of the passage, never the query; `error` rejects. */
  readonly longDocument: LongPairPolicy;
  /** Longest passage in tokens, without special tokens; the model's window also bounds it. */
  readonly maxPassageTokens?: number;
  /** One pair a run: scores do not depend on batch mates. */
  readonly deterministic: boolean;
  /** Sync pairs go before batch pairs. */
  readonly priority: 'sync' | 'batch';
  /** Pairs that are not yet in a batch are dropped when it aborts; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

export interface PairScore {
  /** Raw output of the model for this pair. */
  readonly logit: number;
  /** Tokens of the pair as scored, special tokens included. */
  readonly tokens: number;
  /** The passage was cut. */
  readonly truncated: boolean;
}

export interface PairScores {
  /** In the order of `passages`. */
  readonly scores: readonly PairScore[];
  /** Milliseconds from the call until the last pair was tokenized, and from then until the last batch came back. */
  readonly timingsMs: { readonly tokenize: number; readonly score: number };
}

/**
 * Scores (query, passage) pairs.
 *
 * @throws RerankError `query_too_long`, `pair_too_long`, `score_not_finite`, `model_unavailable`, `deadline_exceeded`
 */
export interface CrossEncoder {
  readonly name: string;
  readonly sha256: string;
  score(request: PairRequest): Promise<PairScores>;
}
