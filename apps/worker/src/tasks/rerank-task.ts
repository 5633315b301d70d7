import type { RerankOutcome, RerankTask, SearchTask, TaskStage } from '@rerank-fleet/core/contracts';
import type { Effort } from '@rerank-fleet/core/ports';
import { spanNow } from '@rerank-fleet/core/observability';
import { tracedStage } from '../ops/traced-ports.js';
import { runStages, type StagedScores } from '../pipeline/run-stages.js';
import type { CrossEncoders } from './cross-encoders.js';
import type { TaskContext, TaskHandlers } from './task-processor.js';

export interface ScoringParts {
  readonly encoders: CrossEncoders;
  /** Of requests that do not say. */
  readonly deterministic: boolean;
  /** Of requests that do not say. */
  readonly effort: Effort;
  /** Scores of documents that clients send along are kept, too. */
  readonly cacheDocuments: boolean;
}

/** Scores the documents of one request. */
export function rerankTask(scoring: ScoringParts): TaskHandlers['rerank'] {
  return async (body, context) => {
    const work = { body, stages: body.stages, passages: body.documents, context };
    const { model, results, promptTokens, timingsMs, effort } = await rerankPassages(scoring, work);
    return {
      kind: 'rerank',
      model,
      results,
      prompt_tokens: promptTokens,
      timings_ms: { queue: context.queueMs, ...timingsMs },
      ...(effort === undefined ? {} : { effort }),
    };
  };
}

export interface PassagesToRerank {
  readonly body: RerankTask | SearchTask;
  readonly stages: readonly TaskStage[];
  readonly passages: readonly string[];
  /** Passages with the same key are one result. */
  readonly groupKey?: (index: number) => string;
  readonly context: TaskContext;
}

type EffortReport = NonNullable<RerankOutcome['effort']>;

export interface RerankedPassages extends StagedScores {
  /** Where the task asked to explain. */
  readonly effort?: EffortReport;
}

/**
 * Runs the cascade that a task asks for.
 *
 * @throws RerankError `model_unavailable` if this worker does not hold one of the models, and what the models throw
 */
export async function rerankPassages(
  { encoders, deterministic, cacheDocuments, effort: usual }: ScoringParts,
  work: PassagesToRerank,
): Promise<RerankedPassages> {
  const { body, passages, groupKey, context } = work;
  let scoredAt = performance.now();
  const onScored = (): void => void (scoredAt = performance.now());
  const stages = work.stages.map(({ model, keep }, at) => {
    const kept = keep === undefined ? {} : { keep };
    return { encoder: tracedStage(encoders.get(model), { stage: at + 1, ...kept, onScored }), ...kept };
  });
  const longest = body.kind === 'rerank' ? body.max_passage_tokens : undefined;
  const request = {
    query: body.query,
    passages,
    longDocument: body.long_document,
    deterministic: body.deterministic ?? deterministic,
    priority: context.priority ?? 'sync',
    signal: context.signal,
    ...(longest === undefined ? {} : { maxPassageTokens: longest }),
    // Passages of a corpus come back with every search like it; documents that a client sends along seldom do.
    ...(body.kind === 'search' || cacheDocuments ? { cacheFor: context.tenant } : {}),
  };
  const effort = body.effort ?? usual;
  const staged = await runStages(stages, request, {
    topN: body.top_n,
    explain: body.explain === true,
    effort,
    ...(body.min_logit === undefined ? {} : { minLogit: body.min_logit }),
    ...(groupKey === undefined ? {} : { groupKey }),
  });
  const attributes = { 'rerank.results': staged.results.length };
  spanNow()?.record('rank', { startedAt: scoredAt, endedAt: performance.now(), attributes });
  return body.explain === true ? { ...staged, effort: reportOf(effort, staged.fullReasons) } : staged;
}

function reportOf(asked: Effort, reasons: StagedScores['fullReasons']): EffortReport {
  return { asked, stages: reasons.map((reason) => (reason === undefined ? { ran: asked } : { ran: 'full', reason })) };
}
