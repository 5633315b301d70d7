import type { CrossEncoder, PairRequest, PairScores } from '@rerank-fleet/core/ports';
import type { BatchScheduler } from './batch-scheduler.js';
import { splitSequences, type SequenceEncoder } from './sequence-encoder.js';

/** Steps 6 to 8 for one cross-encoder: tokenize, wait in the planner, run. */
export class PairScorer implements CrossEncoder {
  readonly name: string;
  readonly sha256: string;
  readonly #encoder: SequenceEncoder;
  readonly #scheduler: BatchScheduler;

  constructor(model: { readonly name: string; readonly sha256: string }, encoder: SequenceEncoder, scheduler: BatchScheduler) {
    this.name = model.name;
    this.sha256 = model.sha256;
    this.#encoder = encoder;
    this.#scheduler = scheduler;
  }

  async score(request: PairRequest): Promise<PairScores> {
    const { query, passages, longDocument: policy, maxPassageTokens, deterministic, priority, signal } = request;
    const started = performance.now();
    const limit = maxPassageTokens === undefined ? {} : { maxPassageTokens };
    const encoded = await this.#encoder.encodePairs(this.sha256, { query, passages, policy, ...limit });
    const tokenized = performance.now();
    const options = { priority, alone: deterministic, ...(signal === undefined ? {} : { signal }) };
    const rows = await this.#scheduler.run(this.sha256, splitSequences(encoded), options);
    return {
      scores: rows.map((row, index) => ({ logit: row[0]!, tokens: encoded.lengths[index]!, truncated: encoded.truncated[index] === 1 })),
      timingsMs: { tokenize: tokenized - started, score: performance.now() - tokenized },
    };
  }
}
