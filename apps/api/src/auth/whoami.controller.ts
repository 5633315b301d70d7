import { Controller, Get, Header, Req } from '@nestjs/common';
import { ALL_SCOPES } from '@rerank-fleet/core/config';
import type { WhoamiBody } from '@rerank-fleet/core/contracts';
import { InvariantError } from '@rerank-fleet/core/errors';
import type { FastifyRequest } from 'fastify';
import type { NamedKey, Principal } from '../http/request-context.js';
import { RequiresScope } from './scope.js';

/** What the service makes of whoever asks: a program, or a page, need not learn from refusals what its key allows. */
@Controller('v1/whoami')
export class WhoamiController {
  @Get()
  @Header('cache-control', 'no-store')
  @RequiresScope(ALL_SCOPES)
  whoami(@Req() { principal }: FastifyRequest): WhoamiBody {
    if (principal === null) throw new InvariantError('A route with a scope was called by nobody.');
    const { tenant, scopes, key, syncTokens } = principal;
    return { object: 'whoami', tenant, scopes: [...scopes], ...(key === undefined ? {} : { key: describe(key, syncTokens) }) };
  }
}

function describe({ id, source, name, expiresMs }: NamedKey, syncTokens: Principal['syncTokens']): NonNullable<WhoamiBody['key']> {
  return {
    id,
    source,
    ...(name === undefined ? {} : { name }),
    ...(syncTokens === undefined ? {} : { sync_tokens: syncTokens }),
    ...(expiresMs === undefined ? {} : { expires_at: Math.floor(expiresMs / 1_000) }),
  };
}
