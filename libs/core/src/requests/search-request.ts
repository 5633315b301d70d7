import { randomUUID } from 'node:crypto';
import {
  MAX_TOP_K,
  type SearchOutcome,
  type SearchRequest,
  type SearchResponse,
  type SearchTask,
  type TaskStage,
} from '../contracts/index.js';
import { needsQueryVector, sigmoid, type CorpusVersion } from '../domain/index.js';
import { RerankError } from '../errors/index.js';
import type { StageChoice } from './choose-stages.js';
import { minimumLogit } from './minimum-logit.js';
import type { RouteNeeds } from './route-request.js';

const DEFAULT_TOP_N = 10;

/** @throws RerankError `invalid_request`, `too_many_candidates` */
export function assertCoherentSearch(request: SearchRequest): void {
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

export function searchNeedsOf(request: SearchRequest, version: CorpusVersion, choice: StageChoice | undefined): RouteNeeds {
  return {
    reranker: choice?.reranker ?? { kind: 'none' },
    ...(needsQueryVector(version, request.mode) ? { embedder: { name: version.embedder.name, sha256: version.embedder.sha256 } } : {}),
  };
}

export interface PinnedStages {
  readonly stages: TaskStage[];
  readonly mostResults: number;
}

export function searchTaskOf(request: SearchRequest, version: CorpusVersion, pinned: PinnedStages | undefined): SearchTask {
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
    ...(request.effort === undefined ? {} : { effort: request.effort }),
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

/** @param totalMs from the arrival of the request until now */
export function searchAnswerOf(request: SearchRequest, version: CorpusVersion, outcome: SearchOutcome, totalMs: number): SearchResponse {
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
    timings_ms: { ...outcome.timings_ms, total: Math.round(totalMs) },
    ...(outcome.effort === undefined ? {} : { effort: outcome.effort }),
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
