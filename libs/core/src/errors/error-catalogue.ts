/** How the queue treats a task that failed with this code. */
export type RetryPolicy = 'unrecoverable' | 'backoff' | 'none';

export interface ErrorEntry {
  readonly status: number;
  readonly title: string;
  readonly retry: RetryPolicy;
}

/**
 * Every error a client can see. `retry` is `none` where the error never reaches a worker.
 * `docs/errors.md` lists the same codes; a test holds the two together.
 */
export const ERROR_CATALOGUE = {
  invalid_request: { status: 400, title: 'The request is not valid', retry: 'unrecoverable' },
  unauthorized: { status: 401, title: 'No valid API key', retry: 'none' },
  forbidden: { status: 403, title: 'The API key does not allow this', retry: 'none' },
  corpus_not_found: { status: 404, title: 'No such corpus', retry: 'unrecoverable' },
  document_not_found: { status: 404, title: 'No such document', retry: 'unrecoverable' },
  job_not_found: { status: 404, title: 'No such job', retry: 'unrecoverable' },
  file_not_found: { status: 404, title: 'No such file', retry: 'unrecoverable' },
  model_not_found: { status: 404, title: 'No such model', retry: 'unrecoverable' },
  queue_not_found: { status: 404, title: 'No such queue', retry: 'none' },
  dead_letter_not_found: { status: 404, title: 'No such dead letter', retry: 'none' },
  key_not_found: { status: 404, title: 'No such API key', retry: 'none' },
  route_not_found: { status: 404, title: 'No such route', retry: 'none' },
  idempotency_conflict: { status: 409, title: 'The idempotency key was used for another request', retry: 'none' },
  job_not_ended: { status: 409, title: 'The job has not ended', retry: 'none' },
  job_not_retryable: { status: 409, title: 'The job cannot be retried', retry: 'none' },
  queue_not_drainable: { status: 409, title: 'The queue cannot be drained', retry: 'none' },
  dead_letter_expired: { status: 409, title: 'What the dead letter was of has ended', retry: 'none' },
  key_not_removable: { status: 409, title: 'The API key cannot be removed', retry: 'none' },
  reindex_in_progress: { status: 409, title: 'A reindex of this corpus is running', retry: 'none' },
  reindex_required: { status: 409, title: 'This change needs a reindex', retry: 'none' },
  payload_too_large: { status: 413, title: 'The request body is too large', retry: 'none' },
  too_many_documents: { status: 413, title: 'Too many documents', retry: 'none' },
  too_many_candidates: { status: 413, title: 'Too many candidates', retry: 'none' },
  unsupported_media_type: { status: 415, title: 'The content type is not supported', retry: 'none' },
  pair_too_long: { status: 422, title: 'A query and document pair is too long for the model', retry: 'unrecoverable' },
  query_too_long: { status: 422, title: 'The query is too long for the model', retry: 'unrecoverable' },
  webhook_refused: { status: 422, title: 'The webhook cannot be delivered', retry: 'unrecoverable' },
  overloaded: { status: 429, title: 'The service is at its limit', retry: 'none' },
  score_not_finite: { status: 500, title: 'The model gave a score that is not a number', retry: 'unrecoverable' },
  internal_error: { status: 500, title: 'Something went wrong on our side', retry: 'unrecoverable' },
  webhook_failed: { status: 502, title: 'The webhook was not delivered', retry: 'backoff' },
  queue_unavailable: { status: 503, title: 'The queue cannot be reached', retry: 'backoff' },
  queue_paused: { status: 503, title: 'The queue is paused', retry: 'none' },
  queue_drained: { status: 503, title: 'The queue was emptied', retry: 'none' },
  candidate_store_unavailable: { status: 503, title: 'The candidate store cannot be reached', retry: 'backoff' },
  blob_store_unavailable: { status: 503, title: 'The blob store cannot be reached', retry: 'backoff' },
  model_unavailable: { status: 503, title: 'No worker has this model ready', retry: 'backoff' },
  deadline_exceeded: { status: 504, title: 'The deadline passed', retry: 'unrecoverable' },
  out_of_memory: { status: 507, title: 'The worker has too little memory for a pair', retry: 'backoff' },
  storage_full: { status: 507, title: 'The disk is full', retry: 'backoff' },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

export const ERROR_CODES = Object.keys(ERROR_CATALOGUE) as ErrorCode[];

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(ERROR_CATALOGUE, value);
}
