import type { SearchOutcome, SearchTask, TaskStage } from '@rerank-fleet/core/contracts';
import { passageContent, type Candidate } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { Embedder } from '@rerank-fleet/core/ports';
import { inSpan } from '@rerank-fleet/core/observability';
import { packContext } from '../pipeline/pack-context.js';
import { PassageFault } from '../pipeline/point-at-request.js';
import { firstOfEachGroup } from '../pipeline/rank-results.js';
import { retrieveCandidates, type RetrievalParts } from '../pipeline/retrieve-candidates.js';
import { rerankPassages, type ScoringParts } from './rerank-task.js';
import type { TaskContext, TaskHandlers } from './task-processor.js';

/** Retrieves candidates from the pinned version and orders them by the cascade, or leaves the first-stage order. */
export function searchTask(retrieval: RetrievalParts, scoring: ScoringParts): TaskHandlers['search'] {
  return async (body, context) => {
    const started = performance.now();
    const { version, query, mode, top_k: topK, filter } = body;
    const { requestId, traceparent, signal, priority = 'sync' } = context;
    const request = {
      version,
      query,
      mode,
      topK,
      priority,
      requestId,
      signal,
      ...(filter === undefined ? {} : { filter }),
      ...(traceparent === undefined ? {} : { traceparent }),
    };
    const candidates = await inSpan('retrieve', () => retrieveCandidates(retrieval, request), {
      attributes: { 'rerank.corpus': version.corpus, 'rerank.mode': mode, 'rerank.top_k': topK },
    });
    const timings = { queue: context.queueMs, retrieve: performance.now() - started };
    const outcome =
      body.stages === undefined
        ? firstStageOutcome(body, candidates, timings)
        : await rerankedOutcome(body, candidates, { stages: body.stages, scoring, context, timings });
    return body.context_tokens === undefined
      ? outcome
      : await packed(outcome, { budget: body.context_tokens, embedder: retrieval.embedders.default, priority, signal });
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
  readonly stages: readonly TaskStage[];
  readonly scoring: ScoringParts;
  readonly context: TaskContext;
  readonly timings: SearchOutcome['timings_ms'];
}

async function rerankedOutcome(
  body: SearchTask,
  candidates: readonly Candidate[],
  { stages, scoring, context, timings }: Reranking,
): Promise<SearchOutcome> {
  const { model, results, promptTokens, timingsMs, effort } = await rerankPassages(scoring, {
    body,
    stages,
    passages: candidates.map(({ title, passage }) => passageContent(title, passage.text)),
    context,
    ...(body.group_by === 'none' ? {} : { groupKey: documentOf(candidates) }),
  }).catch((error: unknown) => {
    throw named(error, candidates);
  });
  return {
    kind: 'search',
    model,
    results: results.map(({ index, ...score }) => ({ ...describe(candidates[index] as Candidate), score })),
    prompt_tokens: promptTokens,
    timings_ms: { ...timings, ...timingsMs },
    ...(effort === undefined ? {} : { effort }),
  };
}

/** A search has no documents to point at: it names the one that is too long, and points at what would take it; or the one that the model fails on. */
function named(error: unknown, candidates: readonly Candidate[]): unknown {
  if (error instanceof PassageFault) return error.of((candidates[error.passage] as Candidate).documentId);
  if (!(error instanceof RerankError) || error.code !== 'pair_too_long') return error;
  const [fault] = error.errors;
  const candidate = candidates[Number(fault?.pointer.slice(fault.pointer.lastIndexOf('/') + 1))];
  if (fault === undefined || candidate === undefined) return error;
  const detail = `A passage of the document "${candidate.documentId}" ${fault.detail} beside the query`;
  return new RerankError('pair_too_long', `${detail}. Send long_document "truncate" or "chunk".`, {
    errors: [{ pointer: '/long_document', detail }],
  });
}

interface Packing {
  /** Tokens. */
  readonly budget: number;
  readonly embedder: Embedder;
  readonly priority: 'sync' | 'batch';
  readonly signal: AbortSignal;
}

async function packed(outcome: SearchOutcome, { budget, embedder, ...options }: Packing): Promise<SearchOutcome> {
  const texts = outcome.results.map(({ title, passage }) => passageContent(title, passage.text));
  const tokens = await embedder.countTokens(texts, options);
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
