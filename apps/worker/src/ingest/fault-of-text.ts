import { RerankError, type ErrorCode } from '@rerank-fleet/core/errors';

const FAULTS: ReadonlySet<ErrorCode> = new Set(['score_not_finite', 'internal_error', 'query_too_long', 'out_of_memory']);

/** Whether an embedding failed by the text itself, so that another attempt fails as well and the documents beside it are not to blame. */
export function isFaultOfText(error: unknown): error is RerankError {
  return error instanceof RerankError && FAULTS.has(error.code);
}
