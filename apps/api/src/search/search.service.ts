import { randomUUID } from 'node:crypto';
import {
  MAX_TOP_K,
  type SearchOutcome,
  type SearchRequest,
  type SearchResponse,
  type SearchTask,
  type TaskStage,
} from '@rerank-fleet/core/contracts';
import { sigmoid, type CorpusRecord, type CorpusVersion } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { DocumentStore } from '@rerank-fleet/core/ports';
import type { TaskDispatcher } from '../dispatch/task-dispatcher.js';
import { promotedVersion } from '@rerank-fleet/core/corpora';
import { millisecondsUntil, timeoutOf } from '../http/deadline.js';
import type { RequestContext } from '../http/request-context.js';
import { chooseStages, type StageChoice } from '../models/choose-stages.js';
import type { RequestRouter } from '../models/request-router.js';
import type { RouteNeeds } from '../models/route-request.js';
import { minimumLogit } from '../rerank/minimum-logit.js';

export interface SearchServiceParts {
  readonly dispatcher: Pick<TaskDispatcher, 'call'>;
  readonly documents: Pick<DocumentStore, 'findCorpus'>;
  readonly router: RequestRouter;
  readonly syncTimeoutMs: number;
}

const DEFAULT_TOP_N = 10;

/** Searches a corpus: first-stage retrieval, then the cross-encoder. */
export class SearchService {
  readonly #parts: SearchServiceParts;

  constructor(parts: SearchServiceParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `invalid_request`, `too_many_candidates`, `corpus_not_found`, and all that a rerank throws */
  async search(request: SearchRequest, context: RequestContext): Promise<SearchResponse> {
    assertCoherent(request);
    const deadline = context.arrivedAt + timeoutOf(request.timeout_ms, this.#parts.syncTimeoutMs);
    const corpus = await this.#corpus(context.tenant, request.corpus);
    // The alias is resolved here, once: the request never sees another version.
    const version = promotedVersion(corpus);
    const choice = request.rerank ? chooseStages(request, corpus.settings.stages) : undefined;
    const limits = { timeoutMs: millisecondsUntil(deadline), signal: context.signal };
    const { pool, models } = await this.#parts.router.route(needsOf(request, version, choice), limits);
    const outcome = await this.#parts.dispatcher.call({
      queue: 'sync',
      tenant: context.tenant,
      requestId: context.requestId,
      pool,
      timeoutMs: millisecondsUntil(deadline),
      body: taskOf(request, version, choice && { stages: choice.pin(models), mostResults: choice.mostResults }),
      signal: context.signal,
      ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
    });
    return answerOf(request, version, outcome, context);
  }

  async #corpus(tenant: string, corpus: string): Promise<CorpusRecord> {
    const record = await this.#parts.documents.findCorpus({ tenant, corpus });
    if (record === undefined) throw new RerankError('corpus_not_found', 'There is no corpus of this name; GET /v1/corpora lists yours.');
    return record;
  }
}

function assertCoherent(request: SearchRequest): void {
  if (request.top_k > MAX_TOP_K) {
    throw new RerankError('too_many_candidates', `top_k is ${request.top_k}; at most ${MAX_TOP_K} candidates are retrieved.`, {
      errors: [{ pointer: '/top_k', detail: `must be at most ${MAX_TOP_K}` }],
    });
  }
  if (request.top_n !== undefined && request.top_n > request.top_k) refuse('/top_n', 'must not be above top_k');
  if (request.rerank) return;
  if (request.model !== undefined) refuse('/model', 'has no use with "rerank": false');
  if (request.stages !== undefined) refuse('/stages', 'has no use with "rerank": false');
  if (request.min_score !== undefined) refuse('/min_score', 'has no use with "rerank": false, as first-stage scores have no common scale');
}

function refuse(pointer: string, detail: string): never {
  throw new RerankError('invalid_request', `${pointer}: ${detail}.`, { errors: [{ pointer, detail }] });
}

function needsOf(request: SearchRequest, version: CorpusVersion, choice: StageChoice | undefined): RouteNeeds {
  return {
    reranker: choice?.reranker ?? { kind: 'none' },
    ...(request.mode === 'sparse' ? {} : { embedder: { name: version.embedder.name, sha256: version.embedder.sha256 } }),
  };
}

interface PinnedStages {
  readonly stages: TaskStage[];
  readonly mostResults: number;
}

function taskOf(request: SearchRequest, version: CorpusVersion, pinned: PinnedStages | undefined): SearchTask {
  const minLogit = minimumLogit(request.min_score, request.raw_scores === true);
  return {
    kind: 'search',
    version,
    query: request.query,
    mode: request.mode,
    top_k: request.top_k,
    top_n: Math.min(request.top_n ?? defaultTopN(request), pinned?.mostResults ?? Infinity),
    group_by: request.group_by,
    long_document: request.long_document ?? 'truncate',
    ...(request.deterministic === undefined ? {} : { deterministic: request.deterministic }),
    ...(request.explain === true ? { explain: true } : {}),
    ...(pinned === undefined ? {} : { stages: pinned.stages }),
    ...(request.filter === undefined ? {} : { filter: request.filter }),
    ...(minLogit === undefined ? {} : { min_logit: minLogit }),
    ...(request.context_tokens === undefined ? {} : { context_tokens: request.context_tokens }),
  };
}

/** A budget of tokens bounds the results by itself. */
function defaultTopN({ top_k: topK, context_tokens: contextTokens }: SearchRequest): number {
  return contextTokens === undefined ? Math.min(DEFAULT_TOP_N, topK) : topK;
}

function answerOf(request: SearchRequest, version: CorpusVersion, outcome: SearchOutcome, context: RequestContext): SearchResponse {
  const { min_score: minScore = -Infinity } = request;
  const scored = outcome.results.map((result) => ({ result, relevance: relevanceOf(result, request) }));
  const kept = scored.filter(({ relevance }) => relevance === undefined || relevance >= minScore);
  const cut = kept.filter(({ result }) => result.score?.truncated === true).map(({ result }) => result.document_id);
  return {
    id: `search-${randomUUID()}`,
    corpus: version.corpus,
    version: version.version,
    ...(outcome.model === undefined ? {} : { model: outcome.model }),
    results: kept.map(({ result, relevance }, at) => ({ ...describe(result, relevance, request), ...explained(result, at + 1, request) })),
    usage: { prompt_tokens: outcome.prompt_tokens, total_tokens: outcome.prompt_tokens },
    ...(outcome.context_tokens === undefined ? {} : { context_tokens: outcome.context_tokens }),
    truncated: [...new Set(cut)],
    timings_ms: { ...outcome.timings_ms, total: Math.round(performance.now() - context.arrivedAt) },
  };
}

type Found = SearchOutcome['results'][number];

function relevanceOf(result: Found, request: SearchRequest): number | undefined {
  if (result.score === undefined) return undefined;
  return request.raw_scores === true ? result.score.logit : sigmoid(result.score.logit);
}

/** What was scored begins with the title and a space; spans are told in the document's text. */
function spanInText(
  { title = '', passage }: Found,
  { start, end }: { readonly start: number; readonly end: number },
): { start: number; end: number } {
  const before = title === '' ? 0 : Array.from(title).length + 1;
  const inPassage = (offset: number): number => passage.start + Math.max(0, offset - before);
  return { start: inPassage(start), end: inPassage(end) };
}

function describe(result: Found, relevance: number | undefined, request: SearchRequest): SearchResponse['results'][number] {
  const { text, ...span } = result.passage;
  const texts = request.return_documents;
  return {
    document_id: result.document_id,
    ...(texts && result.title !== undefined ? { title: result.title } : {}),
    passage: texts ? { ...span, text } : span,
    ...(relevance === undefined || result.score === undefined ? {} : { relevance_score: relevance, logit: result.score.logit }),
    first_stage: result.first_stage,
    ...(texts && result.metadata !== undefined ? { metadata: result.metadata } : {}),
    ...(result.score?.span === undefined ? {} : { best_span: spanInText(result, result.score.span) }),
  };
}

/** @param rank of the result in the answer, from 1 */
function explained({ score, first_stage: firstStage }: Found, rank: number, { explain }: SearchRequest) {
  if (explain !== true || score === undefined) return {};
  const { tokens, truncated, stages } = score;
  return { tokens, truncated, moved: firstStage.rank - rank, ...(stages === undefined ? {} : { stages }) };
}
