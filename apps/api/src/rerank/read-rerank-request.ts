import { rerankRequestSchema, type RerankRequest } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { parseWith } from '../http/zod-faults.js';

const KNOWN = new Set(Object.keys(rerankRequestSchema.shape));
const MAX_NAMED = 20;

export interface ReadRerankRequest {
  readonly request: RerankRequest;
  /** Fields that the route does not know, percent-encoded for a header. */
  readonly ignored: readonly string[];
}

/**
 * Reads the body of the compatible route. Clients of other services send fields that we do not have, and null for what they leave out:
 * neither is an error here.
 *
 * @throws RerankError `invalid_request`, `too_many_documents`
 */
export function readRerankRequest(body: unknown, maxDocuments: number): ReadRerankRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return { request: parseWith(rerankRequestSchema, body), ignored: [] };
  const fields = Object.entries(body as Record<string, unknown>).filter(([, value]) => value !== null);
  const documents = fields.find(([name]) => name === 'documents')?.[1];
  if (Array.isArray(documents) && documents.length > maxDocuments) {
    throw new RerankError(
      'too_many_documents',
      `${documents.length} documents; one call takes at most ${maxDocuments}. Split them, or search a corpus.`,
      {
        errors: [{ pointer: '/documents', detail: `must hold at most ${maxDocuments} documents` }],
      },
    );
  }
  const ignored = fields.map(([name]) => name).filter((name) => !KNOWN.has(name));
  return {
    request: parseWith(rerankRequestSchema, Object.fromEntries(fields)),
    ignored: ignored.slice(0, MAX_NAMED).map((name) => encodeURIComponent(name.slice(0, 64).toWellFormed())),
  };
}
