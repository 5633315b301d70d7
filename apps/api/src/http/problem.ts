import { ERROR_CATALOGUE, RerankError, type ErrorCode } from '@rerank-fleet/core/errors';
import type { Problem } from '@rerank-fleet/core/contracts';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** An error as the wire carries it. */
export interface ProblemReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Problem;
}

/** Codes for statuses that the framework answers by itself, before any code of ours runs. */
const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  404: 'route_not_found',
  405: 'route_not_found',
  413: 'payload_too_large',
  414: 'invalid_request',
  415: 'unsupported_media_type',
  431: 'payload_too_large',
  503: 'queue_unavailable',
};

interface FrameworkError {
  readonly statusCode: number;
  readonly message: string;
}

/** Errors of Fastify carry `statusCode`; those of Nest carry `getStatus()`. */
function frameworkErrorOf(error: unknown): FrameworkError | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('getStatus' in error && typeof error.getStatus === 'function') {
    return { statusCode: Number((error.getStatus as () => unknown).call(error)), message: error.message };
  }
  const isFastify = 'code' in error && String(error.code).startsWith('FST_') && 'statusCode' in error;
  return isFastify ? { statusCode: Number(error.statusCode), message: error.message } : undefined;
}

/** What a client is told of any error: our own as it is, the framework's by its status, all else as a constant. */
export function asRerankError(error: unknown): RerankError {
  if (error instanceof RerankError) return error;
  const framework = frameworkErrorOf(error);
  if (framework !== undefined && framework.statusCode >= 400 && framework.statusCode < 500) {
    return new RerankError(CODE_OF_STATUS[framework.statusCode] ?? 'invalid_request', sentence(framework.message), { cause: error });
  }
  return new RerankError('internal_error', 'An unexpected fault. Quote the request id when you report it.', { cause: error });
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

export function describeProblem(error: RerankError, requestId: string): ProblemReply {
  const { status, title } = ERROR_CATALOGUE[error.code];
  return {
    status,
    headers: {
      'content-type': PROBLEM_TYPE,
      'x-request-id': requestId,
      'cache-control': 'no-store',
      ...(error.retryAfterS === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterS))) }),
      ...(error.code === 'unauthorized' ? { 'www-authenticate': 'Bearer' } : {}),
    },
    body: {
      type: `urn:rerank-fleet:error:${error.code}`,
      title,
      status,
      detail: error.detail,
      message: error.detail,
      code: error.code,
      instance: requestId,
      ...(error.errors.length === 0 ? {} : { errors: error.errors.map((fault) => ({ ...fault })) }),
    },
  };
}
