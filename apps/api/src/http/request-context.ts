import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Scope } from '@rerank-fleet/core/config';
import type { ApiKeyBody } from '@rerank-fleet/core/contracts';
import type { ErrorCode } from '@rerank-fleet/core/errors';
import type { FastifyRequest } from 'fastify';
import type { BodyInHand } from '../admission/bodies-in-hand.js';
import type { RefusalReason } from '../admission/admission-error.js';
import type { RateLimit } from '../admission/rate-limit-headers.js';

/** Of a key, what tells it from others; never the key itself. */
export interface NamedKey extends Pick<ApiKeyBody, 'id' | 'source' | 'name'> {
  /** Epoch milliseconds of Redis TIME. */
  readonly expiresMs?: number;
}

/** Who asks: the tenant that a key belongs to, and what the key allows. */
export interface Principal {
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  /** Of the key: its calls are let in while those of the tenant have at most so many tokens. */
  readonly syncTokens?: number;
  /** Absent where none was needed. */
  readonly key?: NamedKey;
}

/** What a service must know of a request besides its body. */
export interface RequestContext {
  readonly requestId: string;
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  /** As of the {@link Principal}. */
  readonly syncTokens?: number;
  /** Aborts when the client left before the answer was sent. */
  readonly signal: AbortSignal;
  /** W3C trace context of the request: of its span, or, where nothing is traced, as the client sent it. */
  readonly traceparent?: string;
  /** `performance.now()` at the arrival of the headers. */
  readonly arrivedAt: number;
  /** `Content-Length`; 0 where it was not said. */
  readonly sentBytes: number;
  /** What is told in the headers of the answer. */
  readonly noteRateLimit?: (limit: RateLimit) => void;
}

declare module 'fastify' {
  interface FastifyRequest {
    arrivedAt: number;
    clientGone: AbortController | null;
    principal: Principal | null;
    /** Code of the error that was answered. */
    failure: ErrorCode | null;
    /** Why it was turned away before any work. */
    refusal: RefusalReason | null;
    bodyInHand: BodyInHand | null;
  }
}

export function contextOf(request: FastifyRequest): RequestContext {
  const traceparent = request.work?.traceparent;
  const syncTokens = request.principal?.syncTokens;
  return {
    requestId: request.id,
    tenant: request.principal?.tenant ?? 'default',
    scopes: request.principal?.scopes ?? [],
    signal: request.clientGone?.signal ?? new AbortController().signal,
    arrivedAt: request.arrivedAt,
    sentBytes: Number(request.headers['content-length'] ?? 0),
    noteRateLimit: (limit) => (request.rateLimit = limit),
    ...(syncTokens === undefined ? {} : { syncTokens }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** Hands a controller the {@link RequestContext}. */
export const Context = createParamDecorator((_: unknown, execution: ExecutionContext) =>
  contextOf(execution.switchToHttp().getRequest<FastifyRequest>()),
);
