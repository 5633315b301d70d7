import { RerankError } from '@rerank-fleet/core/errors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { authorize } from '../auth/authorize.js';
import type { ApiKeyRing } from '../auth/api-key-ring.js';
import { asRerankError, describeProblem } from '../http/problem.js';

export const BOARD_PATH = '/admin/queues';

export interface BoardGuardParts {
  readonly ring: ApiKeyRing;
  readonly mode: 'read-only' | 'read-write';
}

const BASIC = /^Basic +([A-Za-z0-9+/]+=*) *$/i;
const READS = new Set(['GET', 'HEAD']);
/** What the board may change. It must not add or rewrite tasks, nor empty queues: calls and jobs would wait for what is gone. */
const WRITES: ReadonlySet<string | undefined> = new Set(
  [
    'pause',
    'resume',
    ':queueName/pause',
    ':queueName/resume',
    ':queueName/promote',
    ':queueName/retry/:queueStatus',
    ':queueName/clean/:queueStatus',
    ':queueName/:jobId/retry',
    ':queueName/:jobId/clean',
    ':queueName/:jobId/promote',
  ].map((route) => `${BOARD_PATH}/api/queues/${route}`),
);
/** Undefined where the route has no state. Somebody waits for tasks in any other. */
const CLEANED: ReadonlySet<string | undefined> = new Set([undefined, 'failed', 'completed']);

/** A page that is framed or that loads from elsewhere could make an operator's browser do what he does not see. */
const HEADERS = {
  'content-security-policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'",
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const;

/**
 * Lets operators in, programs with `Authorization: Bearer`, browsers by HTTP basic: the key is the password, the name does not matter. A browser sends it along with
 * whatever another site has it send, so what changes something must come from the board's own page.
 */
export function guardBoard(scope: FastifyInstance, { ring, mode }: BoardGuardParts): void {
  scope.addHook('onRequest', async (request, reply) => {
    void reply.headers(HEADERS);
    try {
      const headers = { ...request.headers, authorization: bearerOf(request.headers.authorization) };
      const newer = ring.expect(headers.authorization);
      if (newer !== undefined) await newer;
      request.principal = authorize(ring, headers, 'operator');
      if (!READS.has(request.method)) assertWrite(request, mode);
    } catch (error) {
      refuse(asRerankError(error), request, reply);
      return reply;
    }
    return undefined;
  });
}

function bearerOf(authorization = ''): string | undefined {
  const encoded = BASIC.exec(authorization)?.[1];
  if (encoded === undefined) return authorization === '' ? undefined : authorization;
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  return `Bearer ${pair.slice(pair.indexOf(':') + 1)}`;
}

/** @throws RerankError `forbidden` */
function assertWrite({ routeOptions, params, headers }: FastifyRequest, mode: BoardGuardParts['mode']): void {
  if (mode === 'read-only')
    throw new RerankError('forbidden', 'The board is read-only (QUEUE_BOARD). /v1/admin pauses, drains and retries.');
  const site = headers['sec-fetch-site'];
  const isOwn =
    site === undefined ? headers.origin === undefined || URL.parse(headers.origin)?.host === headers.host : site === 'same-origin';
  if (!isOwn) throw new RerankError('forbidden', 'This must come from the board itself, not from another site.');
  const { url = '' } = routeOptions;
  const { queueStatus } = params as { readonly queueStatus?: string };
  // By the route that was found, not by the address: the router decodes it, and cuts it at a `#`.
  if (!WRITES.has(url) || (url.includes('/clean/') && !CLEANED.has(queueStatus)))
    throw new RerankError('forbidden', 'The board may not do this: calls and jobs would wait for ever. /v1/admin/queues can drain.');
}

function refuse(error: RerankError, request: FastifyRequest, reply: FastifyReply): void {
  request.failure = error.code;
  const problem = describeProblem(error, request.id);
  void reply
    .status(problem.status)
    .headers(problem.headers)
    .headers(error.code === 'unauthorized' ? { 'www-authenticate': 'Basic realm="rerank-fleet operators", charset="UTF-8"' } : {})
    .send(problem.body);
}
