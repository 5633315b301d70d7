import type { SearchOutcome, SearchTask } from '@rerank-fleet/core/contracts';
import { passageContent, type Candidate } from '@rerank-fleet/core/domain';
import { invariant } from '@rerank-fleet/core/errors';
import type { Embedder } from '@rerank-fleet/core/ports';
import { packContext } from '../pipeline/pack-context.js';
import { firstOfEachGroup, rankResults } from '../pipeline/rank-results.js';
import { retrieveCandidates, type RetrievalParts } from '../pipeline/retrieve-candidates.js';
import { totalTokens, type ScoringParts } from './rerank-task.js';
import type { TaskContext, TaskHandlers } from './task-processor.js';

/** Retrieves candidates from the pinned version and orders them by the cross-encoder, or leaves the first-stage order. */
export function searchTask(retrieval: RetrievalParts, scoring: ScoringParts): TaskHandlers['search'] {
  return async (body, context) => {
    const started = performance.now();
    const { version, query, mode, top_k: topK, filter } = body;
    const request = { version, query, mode, topK, signal: context.signal, ...(filter === undefined ? {} : { filter }) };
    const candidates = await retrieveCandidates(retrieval, request);
    const timings = { queue: context.queueMs, retrieve: performance.now() - started };
    const outcome =
      body.model === undefined
        ? firstStageOutcome(body, candidates, timings)
        : await rerankedOutcome(body, candidates, { scoring, context, timings });
    return body.context_tokens === undefined ? outcome : await packed(outcome, body.context_tokens, retrieval.embedder);
  };
}

function firstStageOutcome(body: SearchTask, candidates: readonly Candidate[], timings: SearchOutcome['timings_ms']): SearchOutcome {
  const indexed = candidates.map((candidate, index) => ({ candidate, index }));
  const kept = body.group_by === 'none' ? indexed : firstOfEachGroup(indexed, documentOf(candidates));
  return {
    kind: 'search',
    results: kept.slice(0, body.top_n).map(({ candidate }) => describe(candidate)),
    prompt_tokens: 0,
    timings_ms: timings,
  };
}

interface Reranking {
  readonly scoring: ScoringParts;
  readonly context: TaskContext;
  readonly timings: SearchOutcome['timings_ms'];
}

async function rerankedOutcome(
  body: SearchTask,
  candidates: readonly Candidate[],
  { scoring, context, timings }: Reranking,
): Promise<SearchOutcome> {
  invariant(body.model, 'A search without a model was to be reranked.');
  const model = scoring.encoders.get(body.model);
  const scored = await model.score({
    query: body.query,
    passages: candidates.map(({ title, passage }) => passageContent(title, passage.text)),
    longDocument: body.long_document,
    deterministic: body.deterministic ?? scoring.deterministic,
    priority: 'sync',
    signal: context.signal,
  });
  const ranked = rankResults(scored.scores, {
    topN: body.top_n,
    ...(body.min_logit === undefined ? {} : { minLogit: body.min_logit }),
    ...(body.group_by === 'none' ? {} : { groupKey: documentOf(candidates) }),
  });
  return {
    kind: 'search',
    model: model.name,
    results: ranked.map(({ index, ...score }) => ({ ...describe(candidates[index] as Candidate), score })),
    prompt_tokens: totalTokens(scored),
    timings_ms: { ...timings, ...scored.timingsMs },
  };
}

async function packed(outcome: SearchOutcome, budget: number, embedder: Embedder): Promise<SearchOutcome> {
  const tokens = await embedder.countTokens(outcome.results.map(({ title, passage }) => passageContent(title, passage.text)));
  const chosen = packContext(tokens, budget);
  return {
    ...outcome,
    results: chosen.map((position) => outcome.results[position]!),
    context_tokens: chosen.reduce((sum, position) => sum + tokens[position]!, 0),
  };
}

const documentOf = (candidates: readonly Candidate[]) => (index: number) => (candidates[index] as Candidate).documentId;

function describe({ documentId, title, passage, metadata, firstStage }: Candidate): SearchOutcome['results'][number] {
  return {
    document_id: documentId,
    passage: { ...passage },
    first_stage: { ...firstStage },
    ...(title === undefined ? {} : { title }),
    ...(metadata === undefined ? {} : { metadata: metadata as NonNullable<SearchOutcome['results'][number]['metadata']> }),
  };
}
