import { RouteConfig } from '@nestjs/platform-fastify';
import type { Scope } from '@rerank-fleet/core/config';
import type { FastifyRequest } from 'fastify';
import type { ErrorDialect } from './error-dialects.js';
import { isTeiBody } from './tei-mapping.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Form of the route's errors; absent: a problem. `tei-if-texts` goes by the body, as far as it was read. */
    errorDialect?: ErrorDialect | 'tei-if-texts';
    /** The route reads a multipart body. */
    takesMultipart?: boolean;
  }
}

export interface CompatibleRouteOptions {
  /** @defaultValue search */
  readonly scope?: Scope;
  readonly takesMultipart?: boolean;
}

/** A route of another service: it answers errors as that service does. */
export const CompatibleRoute = (
  errorDialect: ErrorDialect | 'tei-if-texts',
  { scope = 'search', takesMultipart = false }: CompatibleRouteOptions = {},
): MethodDecorator => RouteConfig({ scope, errorDialect, takesMultipart });

/** The form in which this request's errors are answered; undefined for a problem. */
export function errorDialectOf({ routeOptions, body }: Pick<FastifyRequest, 'routeOptions' | 'body'>): ErrorDialect | undefined {
  const { errorDialect } = routeOptions.config;
  if (errorDialect !== 'tei-if-texts') return errorDialect;
  return isTeiBody(body) ? 'tei' : undefined;
}
