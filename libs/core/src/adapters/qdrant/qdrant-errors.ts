import { InvariantError, RerankError } from '../../errors/index.js';

const FULL_TEXT = /no space left|not enough (?:disk )?space|insufficient storage|out of disk|disk (?:is )?full/i;

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : undefined;
}

/** What the server said, for the log; the client never sees it. */
function textOf(error: unknown): string {
  const data = error instanceof Error && 'data' in error ? error.data : undefined;
  return data === undefined ? '' : (JSON.stringify(data) ?? '');
}

export function isStatus(error: unknown, status: number): boolean {
  return statusOf(error) === status || (error instanceof RerankError && statusOf(error.cause) === status);
}

/** Turns a fault of the vendor's client into an error of the catalogue. */
export function toStoreError(error: unknown): Error {
  if (error instanceof RerankError || error instanceof InvariantError) return error;
  const status = statusOf(error);
  const text = textOf(error);
  if (status === 507 || FULL_TEXT.test(text)) {
    return new RerankError('storage_full', 'The disk of the Qdrant server is full. Free space or grow its volume, then try again.', {
      cause: error,
    });
  }
  if (status === 404)
    return new RerankError('corpus_not_found', 'This version of the corpus is not there. It was deleted or replaced.', { cause: error });
  if (status === 401 || status === 403) {
    return new RerankError('candidate_store_unavailable', 'The Qdrant server refused the API key. Check QDRANT_API_KEY.', { cause: error });
  }
  if (status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return new InvariantError(`Qdrant refused a request with status ${String(status)}: ${text.slice(0, 300)}.`);
  }
  return new RerankError('candidate_store_unavailable', 'The Qdrant server cannot be reached or did not finish in time. Try again.', {
    cause: error,
  });
}
