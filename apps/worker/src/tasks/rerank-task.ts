import type { RerankTask } from '@rerank-fleet/core/contracts';
import type { CrossEncoder, PairScores } from '@rerank-fleet/core/ports';
import { rankResults } from '../pipeline/rank-results.js';
import type { CrossEncoders } from './cross-encoders.js';
import type { TaskHandlers } from './task-processor.js';

export interface ScoringParts {
  readonly encoders: CrossEncoders;
  /** Of requests that do not say. */
  readonly deterministic: boolean;
}

/** Scores the documents of one request. */
export function rerankTask({ encoders, deterministic }: ScoringParts): TaskHandlers['rerank'] {
  return async (body, { queueMs, signal }) => {
    const model = encoders.get(body.model);
    const scored = await scoreDocuments(model, { ...body, deterministic: body.deterministic ?? deterministic }, signal);
    const ranked = rankResults(scored.scores, { topN: body.top_n, ...(body.min_logit === undefined ? {} : { minLogit: body.min_logit }) });
    return {
      kind: 'rerank',
      model: model.name,
      results: ranked,
      prompt_tokens: totalTokens(scored),
      timings_ms: { queue: queueMs, ...scored.timingsMs },
    };
  };
}

function scoreDocuments(model: CrossEncoder, body: RerankTask & { deterministic: boolean }, signal: AbortSignal): Promise<PairScores> {
  return model.score({
    query: body.query,
    passages: body.documents,
    longDocument: body.long_document,
    deterministic: body.deterministic,
    priority: 'sync',
    signal,
    ...(body.max_passage_tokens === undefined ? {} : { maxPassageTokens: body.max_passage_tokens }),
  });
}

/** Tokens that went through the model, special tokens included. */
export function totalTokens({ scores }: PairScores): number {
  return scores.reduce((sum, { tokens }) => sum + tokens, 0);
}
