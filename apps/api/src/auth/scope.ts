import { RouteConfig } from '@nestjs/platform-fastify';
import type { Scope } from '@rerank-fleet/core/config';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a key must allow, or one of what it must. A route without it is open; none of the API itself may be. */
    scope?: Scope | readonly Scope[];
  }
}

/** States the scope that a route needs. It lies in the route's own configuration, so that a key is checked before the body is read. */
export const RequiresScope = (scope: Scope | readonly Scope[]): MethodDecorator => RouteConfig({ scope });
