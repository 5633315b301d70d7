import { RerankError } from '@rerank-fleet/core/errors';

/** Nothing to score; Text Embeddings Inference tells it from other faults of a request. */
export class EmptyInputError extends RerankError {
  constructor(pointer: string) {
    super('invalid_request', `${pointer}: must not be empty.`, { errors: [{ pointer, detail: 'must not be empty' }] });
  }
}
