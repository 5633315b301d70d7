import type { Scope } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';
import type { IncomingHttpHeaders } from 'node:http';
import type { Principal } from '../http/request-context.js';
import type { ApiKeyRing } from './api-key-ring.js';
import { assertLoopbackRequest } from './assert-loopback-request.js';

/**
 * Who asks, if they may.
 *
 * @throws RerankError `unauthorized`, `forbidden`
 */
export function authorize(ring: ApiKeyRing, headers: IncomingHttpHeaders, scope: Scope | readonly Scope[]): Principal {
  if (ring.isOpen) assertLoopbackRequest(headers);
  const principal = ring.authenticate(headers.authorization);
  const scopes = [scope].flat();
  if (!scopes.some((each) => principal.scopes.includes(each)))
    throw new RerankError('forbidden', `This API key lacks the scope ${scopes.map((each) => `"${each}"`).join(' or ')}.`);
  return principal;
}
