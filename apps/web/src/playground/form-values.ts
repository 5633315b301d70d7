import type { RerankParameters, SearchParameters } from '@rerank-fleet/client';
import { splitDocuments, type Separator } from './split-documents.js';

/** What both forms have. Numbers are as they were typed; empty means the service's default. */
export interface ScoringValues {
  readonly query: string;
  readonly model: string;
  readonly topN: string;
  readonly minScore: string;
  readonly effort: '' | 'full' | 'balanced' | 'fast';
  readonly longDocument: '' | 'truncate' | 'chunk' | 'error';
  readonly deterministic: boolean;
  readonly explain: boolean;
}

export interface RerankValues extends ScoringValues {
  readonly documents: string;
  readonly separator: Separator;
}

export interface SearchValues extends ScoringValues {
  readonly corpus: string;
  readonly topK: string;
  readonly mode: 'hybrid' | 'dense' | 'sparse';
  readonly groupBy: 'document' | 'none';
  /** JSON. */
  readonly filter: string;
  readonly rerank: boolean;
}

/** What was typed cannot be sent; the message says what to change. */
export class FormError extends Error {
  override readonly name = 'FormError';
}

const SCORING: ScoringValues = {
  query: '',
  model: '',
  topN: '',
  minScore: '',
  effort: '',
  longDocument: '',
  deterministic: false,
  explain: true,
};

export const EMPTY_RERANK: RerankValues = { ...SCORING, documents: '', separator: 'line' };
export const EMPTY_SEARCH: SearchValues = {
  ...SCORING,
  corpus: '',
  topN: '10',
  topK: '50',
  mode: 'hybrid',
  groupBy: 'document',
  filter: '',
  rerank: true,
};

/** @throws FormError */
export function rerankRequest(values: RerankValues): RerankParameters & { documents: string[] } {
  const documents = splitDocuments(values.documents, values.separator);
  if (values.query.trim() === '') throw new FormError('Type a query.');
  if (documents.length === 0) throw new FormError('Paste at least one document.');
  return { query: values.query.trim(), documents, ...scoring(values) };
}

/** @throws FormError */
export function searchRequest(values: SearchValues): SearchParameters {
  if (values.corpus.trim() === '') throw new FormError('Choose a corpus.');
  if (values.query.trim() === '') throw new FormError('Type a query.');
  const topK = wholeNumber(values.topK, 'top_k');
  const filter = parseFilter(values.filter);
  return {
    corpus: values.corpus.trim(),
    query: values.query.trim(),
    mode: values.mode,
    ...(topK === undefined ? {} : { top_k: topK }),
    ...(values.groupBy === 'document' ? {} : { group_by: values.groupBy }),
    ...(filter === undefined ? {} : { filter }),
    ...(values.rerank ? scoring(values) : { ...topNOf(values), rerank: false }),
  };
}

/** The same search in first-stage order. What only reranking takes is left out. */
export function firstStageOf(request: SearchParameters): SearchParameters {
  const { model: _model, min_score: _minScore, effort: _effort, long_document: _long, deterministic: _deterministic, ...rest } = request;
  const { explain: _explain, ...firstStage } = rest;
  return { ...firstStage, rerank: false };
}

function scoring(values: ScoringValues): Omit<RerankParameters, 'query' | 'documents'> {
  const minScore = values.minScore.trim() === '' ? undefined : Number(values.minScore);
  if (minScore !== undefined && !Number.isFinite(minScore)) throw new FormError('min_score must be a number.');
  return {
    ...(values.model === '' ? {} : { model: values.model }),
    ...topNOf(values),
    ...(minScore === undefined ? {} : { min_score: minScore }),
    ...(values.effort === '' ? {} : { effort: values.effort }),
    ...(values.longDocument === '' ? {} : { long_document: values.longDocument }),
    ...(values.deterministic ? { deterministic: true } : {}),
    ...(values.explain ? { explain: true } : {}),
  };
}

function topNOf({ topN }: ScoringValues): { top_n?: number } {
  const value = wholeNumber(topN, 'top_n');
  return value === undefined ? {} : { top_n: value };
}

function wholeNumber(text: string, name: string): number | undefined {
  if (text.trim() === '') return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new FormError(`${name} must be a whole number from 1.`);
  return value;
}

/** The service checks the rest. @throws FormError */
export function parseFilter(text: string): SearchParameters['filter'] {
  if (text.trim() === '') return undefined;
  let filter: unknown;
  try {
    filter = JSON.parse(text);
  } catch {
    throw new FormError('The filter is not JSON.');
  }
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter))
    throw new FormError('The filter must be an object, such as {"must": [{"key": "lang", "match": {"value": "en"}}]}.');
  return filter;
}
