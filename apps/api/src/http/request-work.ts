import { beginWork, inFrame, type WorkFrame } from '@rerank-fleet/core/observability';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

declare module 'fastify' {
  interface FastifyRequest {
    /** What its log lines and its spans have in common. */
    work: WorkFrame | null;
    /** It was answered, or its client left, and that was told. */
    isOver: boolean;
  }
}

/** Probes come every few seconds, and nobody asks how they fared. */
const isProbe = (route: string | undefined): boolean => route?.startsWith('/health/') === true;

/** Must be installed before all other hooks: whatever is done for the request is done in its frame from then on. */
export function followRequests(instance: FastifyInstance): void {
  instance.decorateRequest('arrivedAt', 0);
  instance.decorateRequest('clientGone', null);
  instance.decorateRequest('work', null);
  instance.decorateRequest('isOver', false);
  instance.addHook('onRequest', (request, reply, done) => {
    request.arrivedAt = performance.now();
    request.clientGone = watchClient(reply);
    request.work = begin(request);
    void reply.header('x-request-id', request.id);
    inFrame(request.work, done);
  });
}

function watchClient(reply: FastifyReply): AbortController {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new DOMException('The client closed the connection.', 'AbortError'));
  });
  return gone;
}

function begin({ id, method, headers, routeOptions: { url }, arrivedAt }: FastifyRequest): WorkFrame {
  const fields = { request_id: id };
  if (isProbe(url)) return { fields };
  const { traceparent } = headers;
  const route = url ?? 'unknown';
  return beginWork(`${method} ${route}`, fields, {
    kind: 'server',
    parent: typeof traceparent === 'string' ? traceparent : undefined,
    startedAt: arrivedAt,
    attributes: { 'http.request.method': method, 'http.route': route, 'rerank.request_id': id },
  });
}

/** Must be installed before what counts requests: one log line a request, and the end of its span. */
export function tellRequests(instance: FastifyInstance, logger: Logger): void {
  instance.addHook('onRequest', (request, reply, done) => {
    request.clientGone?.signal.addEventListener('abort', () => end(logger, request, reply), { once: true });
    done();
  });
  instance.addHook('onResponse', async (request, reply) => end(logger, request, reply));
}

function end(logger: Logger, request: FastifyRequest, reply: FastifyReply): void {
  if (request.isOver) return;
  request.isOver = true;
  const isGone = request.clientGone?.signal.aborted === true;
  inFrame(request.work ?? undefined, () => {
    endSpan(request, reply, isGone);
    // A stream tells itself how it ended: nobody else knows what it was of.
    const isStream = reply.sent && !reply.raw.writableEnded;
    if (!isGone || !isStream) log(logger, request, reply, isGone);
  });
}

/** One line a request, with the route's pattern: a path may hold a document id. */
function log(logger: Logger, request: FastifyRequest, reply: FastifyReply, isGone: boolean): void {
  const { url } = request.routeOptions;
  const line = {
    request_id: request.id,
    method: request.method,
    route: url ?? 'unknown',
    ...(isGone && !reply.raw.headersSent ? {} : { status: reply.statusCode }),
    ms: Math.round(performance.now() - request.arrivedAt),
    ...(request.failure === null ? {} : { code: request.failure }),
    ...(request.principal === null ? {} : { tenant: request.principal.tenant }),
    ...(isGone ? { client_gone: true } : {}),
  };
  if (isProbe(url)) logger.debug(line, 'request');
  else logger.info(line, 'request');
}

function endSpan({ work, failure, principal }: FastifyRequest, { raw, statusCode }: FastifyReply, isGone: boolean): void {
  const span = work?.span;
  if (span === undefined) return;
  span.note({
    ...(raw.headersSent ? { 'http.response.status_code': statusCode } : {}),
    ...(principal === null ? {} : { 'rerank.tenant': principal.tenant }),
    ...(failure === null ? {} : { 'error.type': failure }),
    ...(isGone ? { 'rerank.client_gone': true } : {}),
  });
  // What the client did wrong is no fault of the server.
  if (isGone) span.failAs('cancelled');
  else if (statusCode >= 500) span.failAs(failure ?? 'internal_error');
  span.end();
}
