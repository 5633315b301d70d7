import { RerankError } from '@rerank-fleet/core/errors';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { parseWith } from '../http/zod-faults.js';

const MAX_NAMED = 20;

export interface CompatibleBody<Request> {
  readonly request: Request;
  /** Fields that the route does not know, percent-encoded for a header. */
  readonly ignored: readonly string[];
}

export interface ListBound {
  /** Field that holds the documents. */
  readonly field: string;
  readonly maxDocuments: number;
}

/**
 * Reads the body of a compatible route. Clients of other services send fields that we do not have, and null for what they leave out:
 * neither is an error here.
 *
 * @throws RerankError `invalid_request`, `too_many_documents`
 */
export function readCompatibleBody<Schema extends z.ZodObject>(
  schema: Schema,
  body: unknown,
  bound?: ListBound,
): CompatibleBody<z.output<Schema>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return { request: parseWith(schema, body), ignored: [] };
  const fields = Object.entries(body as Record<string, unknown>).filter(([, value]) => value !== null);
  if (bound !== undefined) assertBounded(fields.find(([name]) => name === bound.field)?.[1], bound);
  const ignored = fields.map(([name]) => name).filter((name) => !Object.hasOwn(schema.shape, name));
  return {
    request: parseWith(schema, Object.fromEntries(fields)),
    ignored: ignored.slice(0, MAX_NAMED).map((name) => encodeURIComponent(name.slice(0, 64).toWellFormed())),
  };
}

/** Tells the client which of its fields had no effect. */
export function nameIgnored(reply: FastifyReply, { ignored }: Pick<CompatibleBody<unknown>, 'ignored'>): void {
  if (ignored.length > 0) void reply.header('x-ignored-fields', ignored.join(', '));
}

/** Before each of them is looked at. */
function assertBounded(documents: unknown, { field, maxDocuments }: ListBound): void {
  if (!Array.isArray(documents) || documents.length <= maxDocuments) return;
  throw new RerankError(
    'too_many_documents',
    `${documents.length} documents; one call takes at most ${maxDocuments}. Split them, or search a corpus.`,
    { errors: [{ pointer: `/${field}`, detail: `must hold at most ${maxDocuments} documents` }] },
  );
}
