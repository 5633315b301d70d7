import { RerankError } from '@rerank-fleet/core/errors';

/** Whether an embedding failed by the text itself, so that another attempt fails as well and the documents beside it are not to blame. */
export function isFaultOfText(error: unknown): error is RerankError {
  return error instanceof RerankError && (error.code === 'score_not_finite' || error.code === 'internal_error');
}
