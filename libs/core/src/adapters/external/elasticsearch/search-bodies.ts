import type { RetrieverKind } from '../../../config/index.js';
import type { JsonValue, RetrievalMode } from '../../../domain/index.js';
import { InvariantError, RerankError } from '../../../errors/index.js';
import type { FirstStageRequest } from '../../../ports/index.js';
import { filterQuery } from './filter-query.js';
import { fillTemplate } from './query-template.js';
import { metadataFields, type ElasticsearchOptions } from './source-options.js';

export type SearchBody = Readonly<Record<string, JsonValue>>;
type Query = Readonly<Record<string, JsonValue>>;

/** Neighbours looked at for each that is asked for: as much as Elasticsearch takes where nothing is said, and no fewer than 100. */
const CANDIDATES_PER_RESULT = 1.5;
const FEWEST_CANDIDATES = 100;
const MOST_CANDIDATES = 10_000;

/** The searches that a request is made of: one a list. */
export function searchBodies(kind: RetrieverKind, options: ElasticsearchOptions, request: FirstStageRequest): readonly SearchBody[] {
  const filter = request.filter === undefined ? undefined : filterQuery(request.filter, options);
  const shared = { size: request.limit, track_total_hits: false, _source: sourceFilter(options) };
  return listsOf(request.mode, options).map((list) => {
    if (list === 'sparse') return { ...shared, query: lexicalQuery(options, request.query, filter) };
    return { ...shared, ...(kind === 'opensearch' ? openSearchKnn(options, request, filter) : elasticsearchKnn(options, request, filter)) };
  });
}

/** `hybrid` is all that there is. */
function listsOf(mode: RetrievalMode, { vector_field: vectorField }: ElasticsearchOptions): readonly ('sparse' | 'dense')[] {
  if (mode === 'dense' && vectorField === undefined) {
    const detail = 'must be "sparse" or "hybrid", as the source of this corpus names no vector_field';
    throw new RerankError('invalid_request', `/mode ${detail}.`, { errors: [{ pointer: '/mode', detail }] });
  }
  if (mode !== 'hybrid') return [mode];
  return vectorField === undefined ? ['sparse'] : ['sparse', 'dense'];
}

function lexicalQuery(options: ElasticsearchOptions, query: string, filter: Query | undefined): Query {
  const { query_template: template, text_field: text, title_field: title, search_fields: fields, multi_match: settings } = options;
  const scored =
    template === undefined
      ? { multi_match: { query, fields: [...(fields ?? [text, ...(title === undefined ? [] : [title])])], ...settings } as Query }
      : (fillTemplate(template, query) as Query);
  return filter === undefined ? scored : { bool: { must: [scored], filter: [filter] } };
}

function elasticsearchKnn(options: ElasticsearchOptions, request: FirstStageRequest, filter: Query | undefined): SearchBody {
  const { model_id: modelId, num_candidates: asked } = options;
  const { limit, query } = request;
  const candidates = asked ?? Math.max(FEWEST_CANDIDATES, Math.ceil(limit * CANDIDATES_PER_RESULT));
  return {
    knn: {
      field: vectorFieldOf(options),
      k: limit,
      num_candidates: Math.min(MOST_CANDIDATES, Math.max(limit, candidates)),
      ...(modelId === undefined
        ? { query_vector: vectorOf(request) }
        : { query_vector_builder: { text_embedding: { model_id: modelId, model_text: query } } }),
      ...(filter === undefined ? {} : { filter }),
    },
  };
}

/** There it is a query like others; that by a model's name is of the neural search plugin. */
function openSearchKnn(options: ElasticsearchOptions, request: FirstStageRequest, filter: Query | undefined): SearchBody {
  const { model_id: modelId, num_candidates: candidates } = options;
  const { limit, query } = request;
  const shared = {
    k: limit,
    ...(candidates === undefined ? {} : { method_parameters: { ef_search: Math.max(limit, candidates) } }),
    ...(filter === undefined ? {} : { filter }),
  };
  const field = vectorFieldOf(options);
  return {
    query:
      modelId === undefined
        ? { knn: { [field]: { vector: vectorOf(request), ...shared } } }
        : { neural: { [field]: { query_text: query, model_id: modelId, ...shared } } },
  };
}

function vectorFieldOf({ vector_field: field }: ElasticsearchOptions): string {
  if (field === undefined) throw new InvariantError('A dense list without a vector field.');
  return field;
}

function vectorOf({ dense }: FirstStageRequest): readonly number[] {
  if (dense === undefined) throw new InvariantError('A dense list without a vector of the query.');
  return [...dense];
}

/** No vectors come back, and no field that nobody asked for. */
function sourceFilter(options: ElasticsearchOptions): JsonValue {
  const { text_field: text, title_field: title, id_field: id, passage_index_field: passage, vector_field: vector } = options;
  const fields = metadataFields(options);
  if (fields === undefined) return { excludes: vector === undefined ? [] : [vector] };
  const named = [text, title, id, passage, ...Object.values(fields)].filter((field) => field !== undefined && field !== '_id');
  return { includes: [...new Set(named as string[])] };
}
