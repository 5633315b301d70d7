export interface EmbedRequest {
  readonly texts: readonly string[];
  /** Chooses the model's prefix. */
  readonly as: 'query' | 'passage';
  readonly priority: 'sync' | 'batch';
  readonly signal?: AbortSignal;
}

/**
 * Turns texts into vectors. What of a passage is beyond the model's window is cut; a query is never cut.
 *
 * @throws RerankError `query_too_long`, `model_unavailable`, `score_not_finite`
 */
export interface Embedder {
  readonly name: string;
  readonly sha256: string;
  readonly dimensions: number;
  /** Longest input in tokens, special tokens and prefix included. */
  readonly maxLength: number;
  /** One vector a text, in order, each `[dimensions]`. */
  embed(request: EmbedRequest): Promise<readonly Float32Array[]>;
  /** Tokens of each text, without special tokens, uncut. */
  countTokens(texts: readonly string[], options?: Partial<Pick<EmbedRequest, 'priority' | 'signal'>>): Promise<readonly number[]>;
}
