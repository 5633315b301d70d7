import fastifyStatic from '@fastify/static';
import { RerankError } from '@rerank-fleet/core/errors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { describeProblem } from '../http/problem.js';
import { UNBUILT_DETAIL, UNBUILT_PAGE } from './unbuilt-page.js';
import { isWebBuilt, WEB_FOLDER } from './web-files.js';
import { IMMUTABLE, REVALIDATED, WEB_HEADERS } from './web-headers.js';

/** As the build names files. The name comes decoded from the address, so it is held to this before it becomes a path. */
const ASSET = /^[\w-]+-[\w-]{8}\.(js|css|svg)$/;

export interface WebParts {
  readonly enabled: boolean;
  /** @defaultValue where `apps/web` is built to */
  readonly folder?: string;
}

/**
 * Serves the pages, which need no key: they hold nothing, and what they ask is asked of the API with the reader's own. Two exact routes, so that no route of
 * the API is hidden, and an unknown path stays a problem. Must be installed after the edge and before the application starts.
 */
export function installWeb(instance: FastifyInstance, { enabled, folder = WEB_FOLDER }: WebParts): void {
  if (!enabled) return;
  void instance.register(async (scope) => {
    // `serve: false`: no route is made for the folder as a whole, only `sendFile`.
    await scope.register(fastifyStatic, { root: folder, serve: false, preCompressed: true, cacheControl: false, suppressWarning: true });
    scope.get('/', (request, reply) => {
      if (!isWebBuilt(folder)) return answerUnbuilt(request, reply);
      return reply.headers({ ...WEB_HEADERS, 'cache-control': REVALIDATED }).sendFile('index.html');
    });
    scope.get<{ Params: { file: string } }>('/assets/:file', ({ params: { file } }, reply) => {
      if (ASSET.test(file)) return reply.headers({ ...WEB_HEADERS, 'cache-control': IMMUTABLE }).sendFile(`assets/${file}`);
      reply.callNotFound();
      return reply;
    });
  });
}

function answerUnbuilt(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = new RerankError('route_not_found', UNBUILT_DETAIL);
  request.failure = error.code;
  const problem = describeProblem(error, request.id);
  void reply.status(problem.status).headers(problem.headers).headers(WEB_HEADERS);
  const wantsPage = request.headers.accept?.includes('text/html') === true;
  return wantsPage ? reply.type('text/html; charset=utf-8').send(UNBUILT_PAGE) : reply.send(problem.body);
}
