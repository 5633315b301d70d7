import { randomUUID } from 'node:crypto';
import type { RerankOutcome, RerankRequest, RerankResponse, RerankTask, TaskStage } from '../contracts/index.js';
import { sigmoid } from '../domain/index.js';
import { InvariantError } from '../errors/index.js';
import { minimumLogit } from './minimum-logit.js';

/** Documents that one search unit pays for, as Cohere counts. */
const DOCUMENTS_PER_UNIT = 100;

/** @param mostResults what the stages give at most */
export function rerankTaskOf(request: RerankRequest, stages: TaskStage[], mostResults: number): RerankTask {
  const minLogit = minimumLogit(request.min_score, request.raw_scores === true);
  return {
    kind: 'rerank',
    stages,
    query: request.query,
    documents: request.documents.map((document) => (typeof document === 'string' ? document : document.text)),
    top_n: Math.min(request.top_n ?? request.documents.length, request.documents.length, mostResults),
    long_document: request.long_document ?? 'truncate',
    ...(request.deterministic === undefined ? {} : { deterministic: request.deterministic }),
    ...(request.effort === undefined ? {} : { effort: request.effort }),
    ...(request.explain === true ? { explain: true } : {}),
    ...(minLogit === undefined ? {} : { min_logit: minLogit }),
    ...(request.max_tokens_per_doc === undefined ? {} : { max_passage_tokens: request.max_tokens_per_doc }),
  };
}

/** @param totalMs from the arrival of the request until now */
export function rerankAnswerOf(request: RerankRequest, outcome: RerankOutcome, totalMs: number): RerankResponse {
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
    ...(explain === true ? { timings_ms: { ...definedOnly(outcome.timings_ms), total: Math.round(totalMs) } } : {}),
    ...(outcome.effort === undefined ? {} : { effort: outcome.effort }),
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
