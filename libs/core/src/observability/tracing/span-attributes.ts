/**
 * All that a span may say. Each is a number, a flag, or a name from a small set or of the operator's or the client's making (a model, a corpus, an id): no key
 * takes a query, a document or a part of one.
 */
export interface SpanAttributes {
  readonly 'http.request.method'?: string;
  /** The pattern, never the path. */
  readonly 'http.route'?: string;
  readonly 'http.response.status_code'?: number;
  /** Code of the error catalogue, or `cancelled`, `given_back`. */
  readonly 'error.type'?: string;
  readonly 'messaging.system'?: 'bullmq';
  readonly 'messaging.destination.name'?: string;
  readonly 'messaging.message.id'?: string;
  readonly 'rerank.request_id'?: string;
  readonly 'rerank.tenant'?: string;
  readonly 'rerank.client_gone'?: boolean;
  readonly 'rerank.pool'?: string;
  readonly 'rerank.corpus'?: string;
  readonly 'rerank.task.kind'?: string;
  /** Failed attempts before this one. */
  readonly 'rerank.task.attempt'?: number;
  readonly 'rerank.priority'?: string;
  readonly 'rerank.mode'?: string;
  readonly 'rerank.top_k'?: number;
  readonly 'rerank.candidates'?: number;
  readonly 'rerank.documents'?: number;
  readonly 'rerank.model'?: string;
  /** From 1. */
  readonly 'rerank.stage'?: number;
  readonly 'rerank.stage.keep'?: number;
  readonly 'rerank.deterministic'?: boolean;
  readonly 'rerank.effort'?: string;
  /** Why all layers ran although less was asked for. */
  readonly 'rerank.effort.reason'?: string;
  readonly 'rerank.layer'?: number;
  readonly 'rerank.pairs'?: number;
  readonly 'rerank.texts'?: number;
  readonly 'rerank.results'?: number;
  /** Special tokens included, without padding. */
  readonly 'rerank.tokens'?: number;
  readonly 'rerank.tokens.estimated'?: number;
  readonly 'rerank.cache.tier'?: string;
  readonly 'rerank.cache.hits'?: number;
  readonly 'rerank.cache.misses'?: number;
  readonly 'rerank.batch.segment'?: number;
  /** Of all requests. */
  readonly 'rerank.batch.pairs'?: number;
  readonly 'rerank.batch.padded_tokens'?: number;
  readonly 'rerank.batch.budget_tokens'?: number;
  /** Milliseconds inside the model. */
  readonly 'rerank.batch.run_ms'?: number;
  /** Milliseconds between the hand-over to the thread and the model, there and back. */
  readonly 'rerank.batch.thread_wait_ms'?: number;
  /** Further batches of the request have no span. */
  readonly 'rerank.batch.last_recorded'?: boolean;
  readonly 'rerank.text.kind'?: string;
  readonly 'rerank.job'?: string;
  readonly 'rerank.job.slice'?: number;
  readonly 'rerank.job.rows'?: number;
  readonly 'rerank.job.rows_recorded'?: number;
  readonly 'rerank.job.row'?: number;
  readonly 'rerank.job.row_status'?: string;
  readonly 'rerank.webhook.outcome'?: string;
}
