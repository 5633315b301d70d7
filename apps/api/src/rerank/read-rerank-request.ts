import { rerankRequestSchema, type RerankRequest } from '@rerank-fleet/core/contracts';
import { readCompatibleBody, type CompatibleBody } from '../compat/read-compatible-body.js';

/**
 * Reads the body of `/v1/rerank`, which clients of several services send.
 *
 * @throws RerankError `invalid_request`, `too_many_documents`
 */
export function readRerankRequest(body: unknown, maxDocuments: number): CompatibleBody<RerankRequest> {
  return readCompatibleBody(rerankRequestSchema, body, { field: 'documents', maxDocuments });
}
