/**
 * What becomes of a passage that does not fit the window beside the query: its end is cut, it is scored in overlapping windows of whole sentences of
 * which the best counts, or the request is refused.
 */
export type LongPairPolicy = 'truncate' | 'chunk' | 'error';

/**
 * How much of the model is run. `full`: all layers for every pair. `balanced` and `fast`: pairs whose final logit is predicted to be hopeless leave between layers.
 */
export type Effort = 'full' | 'balanced' | 'fast';

/** A logit of all layers, of a passage that need not run. */
export interface KnownLogit {
  readonly logit: number;
  /** As in `groups` of the wish. @defaultValue a result of its own */
  readonly group?: string;
}

/** What may leave early, and what may not. */
export interface ExitWish {
  readonly effort: Exclude<Effort, 'full'>;
  /** Results that need their full logit. */
  readonly atLeast: number;
  /** Lower logits are not wanted. */
  readonly minLogit?: number;
  /** By position in `passages`: passages of one key are one result. @defaultValue each its own */
  readonly groups?: readonly string[];
  /** Passages of the same call whose full logits are known already. */
  readonly known?: readonly KnownLogit[];
}

/** Why all layers ran although less was asked for. */
export type FullReason = 'few_candidates' | 'model_not_cut' | 'deterministic' | 'no_memory' | 'not_loaded' | 'fault';

export interface PairRequest {
  readonly query: string;
  readonly passages: readonly string[];
  /** The query is never cut. */
  readonly longDocument: LongPairPolicy;
  /** Longest passage in tokens, without special tokens; what is beyond is not looked at. */
  readonly maxPassageTokens?: number;
  /** One pair a run: scores do not depend on batch mates. */
  readonly deterministic: boolean;
  /** Absent: all layers run for every pair. */
  readonly exit?: ExitWish;
  /** Sync pairs go before batch pairs. */
  readonly priority: 'sync' | 'batch';
  /** Tenant for whom scores may be kept and taken again; absent: none are. */
  readonly cacheFor?: string;
  /** Pairs that are not yet in a batch are dropped when it aborts; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** Unicode code points into the passage; `end` is exclusive. */
export interface TextSpan {
  readonly start: number;
  readonly end: number;
}

export interface PairScore {
  /** Raw output of the model for this pair, or what it is predicted to be. */
  readonly logit: number;
  /** Tokens that went through the model for this passage, special tokens included. */
  readonly tokens: number;
  /** Part of the passage was not looked at. */
  readonly truncated: boolean;
  /** Layers after which the pair left: its logit is a prediction. Absent: the logit is that of all layers. */
  readonly exitLayer?: number;
  /**
   * Other windows of the passage left early: the logit is of all layers and of the window that `span` names, the best of those that ran to the end. It counts as a
   * full one, but may be lower than that of the whole passage, and is not kept.
   */
  readonly partial?: true;
  /** The window that the logit is of, where the passage was scored in windows. */
  readonly span?: TextSpan;
}

export interface PairScores {
  /** In the order of `passages`. */
  readonly scores: readonly PairScore[];
  /** Where fewer layers were asked for: why all ran. */
  readonly fullReason?: FullReason;
  /** Milliseconds from the call until the first pairs were tokenized, and from then until the last batch came back; others are tokenized meanwhile. */
  readonly timingsMs: { readonly tokenize: number; readonly score: number };
}

/**
 * Scores (query, passage) pairs.
 *
 * @throws RerankError `query_too_long`, `pair_too_long`, `too_many_candidates` (windows), `score_not_finite`, `model_unavailable`, `deadline_exceeded`
 */
export interface CrossEncoder {
  readonly name: string;
  readonly sha256: string;
  score(request: PairRequest): Promise<PairScores>;
}
