import type { CohereError, OpenAiError, TeiError, VoyageError } from '@rerank-fleet/core/contracts';
import { ERROR_CATALOGUE, type FieldError, type RerankError } from '@rerank-fleet/core/errors';
import { describeProblem } from '../http/problem.js';
import { EmptyInputError } from './empty-input-error.js';

/** Services whose clients read errors in a form of their own. */
export type ErrorDialect = 'cohere' | 'openai' | 'tei' | 'voyage';

/** An error as a client of another service expects it. */
export interface DialectReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: CohereError | OpenAiError | TeiError | VoyageError;
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
    case 'openai':
      return { body: openAiForm(error) };
    case 'voyage':
      return { body: { detail: tooLongAdvice(error, 'documents', '"truncation": true') ?? error.detail } };
    case 'tei':
      return teiForm(error, tooLongAdvice(error, 'texts', '"truncate": true') ?? error.detail);
  }
}

type ToldError = Pick<RerankError, 'code' | 'detail' | 'errors'>;

/** @param error also one that became a line of a batch */
export function openAiForm({ code, detail, errors }: ToldError): OpenAiError {
  return { error: { message: detail, type: openAiType(ERROR_CATALOGUE[code].status), param: paramOf(errors[0]), code } };
}

/** The field that a fault points at, as OpenAI names it: `a.b[0]`. */
export function paramOf(fault: FieldError | undefined): string | null {
  const path = (fault?.pointer ?? '').replace(/\/(\d+)(?=\/|$)/g, '[$1]').replaceAll('/', '.');
  return path === '' ? null : path.replace(/^\./, '');
}

function openAiType(status: number): OpenAiError['error']['type'] {
  if (status >= 500) return 'server_error';
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  return status === 429 ? 'rate_limit_error' : 'invalid_request_error';
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
    case 'queue_paused':
    case 'queue_drained':
    case 'candidate_store_unavailable':
    case 'model_unavailable':
      return [503, 'Unhealthy'];
    case 'invalid_request':
      return [422, 'Validation'];
    case 'pair_too_long':
    case 'query_too_long':
      return [413, 'Validation'];
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
