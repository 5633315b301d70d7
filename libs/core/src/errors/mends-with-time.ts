import { ERROR_CATALOGUE } from './error-catalogue.js';
import { RerankError } from './rerank-error.js';

/** Whether the same may succeed later: the catalogue has it tried again. What the catalogue does not know is a bug, which stays. */
export function mendsWithTime(error: unknown): boolean {
  return error instanceof RerankError && ERROR_CATALOGUE[error.code].retry === 'backoff';
}
