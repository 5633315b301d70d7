import type { CohereError, TeiError, VoyageError } from '@rerank-fleet/core/contracts';
import type { RerankError } from '@rerank-fleet/core/errors';
import { describeProblem } from '../http/problem.js';
import { EmptyInputError } from './empty-input-error.js';

/** Services whose clients read errors in a form of their own. */
export type ErrorDialect = 'cohere' | 'tei' | 'voyage';

/** An error as a client of another service expects it. */
export interface DialectReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: CohereError | TeiError | VoyageError;
}

const DIALECT_TYPE = 'application/json; charset=utf-8';

/** Headers are those of a problem: the request id, `Retry-After`, `WWW-Authenticate`. */
export function describeInDialect(dialect: ErrorDialect, error: RerankError, requestId: string): DialectReply {
  const { status, headers } = describeProblem(error, requestId);
  return { status, ...formOf(dialect, error, requestId), headers: { ...headers, 'content-type': DIALECT_TYPE } };
}

function formOf(dialect: ErrorDialect, error: RerankError, requestId: string): Pick<DialectReply, 'body'> & Partial<DialectReply> {
  switch (dialect) {
    case 'cohere':
      return { body: { id: requestId, message: error.detail } };
    case 'voyage':
      return { body: { detail: tooLongAdvice(error, 'documents', '"truncation": true') ?? error.detail } };
    case 'tei':
      return teiForm(error, tooLongAdvice(error, 'texts', '"truncate": true') ?? error.detail);
  }
}

function teiForm(error: RerankError, message: string): { readonly status: number; readonly body: TeiError } {
  const [status, type] = teiKind(error);
  return { status, body: { error: message, error_type: type } };
}

function teiKind(error: RerankError): readonly [status: number, type: TeiError['error_type']] {
  if (error instanceof EmptyInputError) return [400, 'Empty'];
  switch (error.code) {
    case 'overloaded':
      return [429, 'Overloaded'];
    case 'queue_unavailable':
    case 'candidate_store_unavailable':
    case 'model_unavailable':
      return [503, 'Unhealthy'];
    case 'invalid_request':
      return [422, 'Validation'];
    default:
      return error.status < 500 ? [error.status, 'Validation'] : [424, 'Backend'];
  }
}

/** The worker speaks of our own fields; a client of another service is told its own. */
function tooLongAdvice(error: RerankError, field: string, remedy: string): string | undefined {
  const fault = error.errors[0];
  if (error.code !== 'pair_too_long' || fault === undefined) return undefined;
  return `${fault.pointer.replace('/documents', `/${field}`)}: ${fault.detail}. Shorten it, or send ${remedy}.`;
}
