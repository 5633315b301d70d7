import { randomUUID } from 'node:crypto';
import type { RerankOutcome, RerankRequest, RerankResponse, RerankTask, TaskStage } from '@rerank-fleet/core/contracts';
import { sigmoid } from '@rerank-fleet/core/domain';
import { InvariantError } from '@rerank-fleet/core/errors';
import type { TaskDispatcher } from '../dispatch/task-dispatcher.js';
import { millisecondsUntil, timeoutOf } from '../http/deadline.js';
import type { RequestContext } from '../http/request-context.js';
import { chooseStages } from '../models/choose-stages.js';
import type { RequestRouter } from '../models/request-router.js';
import { minimumLogit } from './minimum-logit.js';

export interface RerankServiceParts {
  readonly dispatcher: Pick<TaskDispatcher, 'call'>;
  readonly router: RequestRouter;
  readonly syncTimeoutMs: number;
}

export interface RerankOptions {
  /** Lower goes first among waiting requests; 0 is the default. */
  readonly priority?: number;
}

/** Documents that one search unit pays for, as Cohere counts. */
const DOCUMENTS_PER_UNIT = 100;

/** Reranks documents that the client sends along. */
export class RerankService {
  readonly #parts: RerankServiceParts;

  constructor(parts: RerankServiceParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `model_not_found`, `model_unavailable`, `deadline_exceeded`, `queue_unavailable`, and what the worker says */
  async rerank(request: RerankRequest, context: RequestContext, options: RerankOptions = {}): Promise<RerankResponse> {
    const timeoutMs = timeoutOf(request.timeout_ms, this.#parts.syncTimeoutMs);
    const deadline = context.arrivedAt + timeoutMs;
    const choice = chooseStages(request);
    const { pool, models } = await this.#parts.router.route(
      { reranker: choice.reranker },
      { timeoutMs: millisecondsUntil(deadline), signal: context.signal },
    );
    const outcome = await this.#parts.dispatcher.call({
      queue: 'sync',
      tenant: context.tenant,
      requestId: context.requestId,
      pool,
      timeoutMs: millisecondsUntil(deadline),
      body: taskOf(request, choice.pin(models), choice.mostResults),
      signal: context.signal,
      ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
      ...(options.priority === undefined ? {} : { priority: options.priority }),
    });
    return answerOf(request, outcome, context);
  }
}

function taskOf(request: RerankRequest, stages: TaskStage[], mostResults: number): RerankTask {
  const minLogit = minimumLogit(request.min_score, request.raw_scores === true);
  return {
    kind: 'rerank',
    stages,
    query: request.query,
    documents: request.documents.map((document) => (typeof document === 'string' ? document : document.text)),
    top_n: Math.min(request.top_n ?? request.documents.length, request.documents.length, mostResults),
    long_document: request.long_document ?? 'truncate',
    ...(request.deterministic === undefined ? {} : { deterministic: request.deterministic }),
    ...(request.explain === true ? { explain: true } : {}),
    ...(minLogit === undefined ? {} : { min_logit: minLogit }),
    ...(request.max_tokens_per_doc === undefined ? {} : { max_passage_tokens: request.max_tokens_per_doc }),
  };
}

function answerOf(request: RerankRequest, outcome: RerankOutcome, context: RequestContext): RerankResponse {
  const { min_score: minScore = -Infinity, raw_scores: rawScores, explain } = request;
  const scored = outcome.results.map((result) => ({ ...result, score: rawScores === true ? result.logit : sigmoid(result.logit) }));
  const kept = scored.filter(({ score }) => score >= minScore);
  const cut = kept.filter(({ truncated }) => truncated).map(({ index }) => index);
  return {
    id: `rerank-${randomUUID()}`,
    model: outcome.model,
    results: kept.map(({ index, score, logit, tokens, truncated, span, stages }) => ({
      index,
      relevance_score: score,
      ...(request.return_documents === true ? { document: documentAt(request, index) } : {}),
      ...(span === undefined ? {} : { best_span: span }),
      ...(explain === true ? { logit, tokens, truncated, ...(stages === undefined ? {} : { stages }) } : {}),
    })),
    ...(cut.length === 0 ? {} : { truncated: cut }),
    usage: { prompt_tokens: outcome.prompt_tokens, total_tokens: outcome.prompt_tokens },
    meta: {
      api_version: { version: '1' },
      billed_units: { search_units: Math.ceil(request.documents.length / DOCUMENTS_PER_UNIT) },
      tokens: { input_tokens: outcome.prompt_tokens },
    },
    ...(explain === true
      ? { timings_ms: { ...definedOnly(outcome.timings_ms), total: Math.round(performance.now() - context.arrivedAt) } }
      : {}),
  };
}

function documentAt(request: RerankRequest, index: number): { readonly text: string } {
  const document = request.documents[index];
  if (document === undefined) throw new InvariantError('A result names a document that was not sent.');
  return typeof document === 'string' ? { text: document } : document;
}

/** zod's optional fields may hold undefined; the wire's must not be there. */
function definedOnly<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T;
}
