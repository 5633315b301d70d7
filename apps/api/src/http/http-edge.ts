import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { Config } from '@rerank-fleet/core/config';
import { InvariantError, RerankError } from '@rerank-fleet/core/errors';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { ApiKeyRing } from '../auth/api-key-ring.js';
import { authorize } from '../auth/authorize.js';
import { holdExpectedBodies } from './expect-continue.js';
import { readJsonBody } from './json-body.js';
import { asRerankError, describeProblem } from './problem.js';
import { requestIdOf } from './request-id.js';
import { followRequests, tellRequests } from './request-work.js';
import { recordRoutes } from './route-table.js';
import type { BodiesInHand, BodyInHand } from '../admission/bodies-in-hand.js';
import { tellRateLimits } from '../admission/rate-limit-headers.js';

/** Longer than the idle time of common load balancers, so that they close first and never send into a closing socket. */
const KEEP_ALIVE_MS = 75_000;
const HEADERS_TIMEOUT_MS = 60_000;
/** An upload of `MAX_INGEST_BYTES` over a slow line; a stalled one is ended by the socket's own idle time. */
const REQUEST_TIMEOUT_MS = 4 * 3_600_000;
const IDLE_GRACE_MS = 60_000;
/** A document id of 512 characters, percent-encoded. */
const MAX_PARAM_LENGTH = 8_192;

/** Paths of the API itself; the rest is documentation and probes. */
const GUARDED = /^\/(v\d+\/|rerank$|info$)/;

const NDJSON_TYPES = ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/x-jsonlines'];

export interface HttpEdgeParts {
  readonly http: Config['http'];
  readonly ring: ApiKeyRing;
  readonly logger: Logger;
  readonly bodies: BodiesInHand;
}

export function createFastifyAdapter({ http }: Pick<HttpEdgeParts, 'http'>): FastifyAdapter {
  const adapter = new FastifyAdapter({
    logger: false,
    genReqId: requestIdOf,
    requestIdHeader: false,
    bodyLimit: http.maxBodyBytes,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: http.syncTimeoutMs + IDLE_GRACE_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    // Requests on open connections are still answered while the server closes.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    frameworkErrors: answerUnroutable,
    clientErrorHandler: answerUnparsable,
  });
  return adapter;
}

/** Hooks in the order in which a request passes them: id and frame, principal, body. */
export function installHttpEdge(instance: FastifyInstance, parts: HttpEdgeParts): void {
  recordRoutes(instance);
  holdExpectedBodies(instance);
  followRequests(instance);
  tellRequests(instance, parts.logger);
  instance.decorateRequest('principal', null);
  instance.decorateRequest('failure', null);
  instance.decorateRequest('refusal', null);
  instance.addHook('onRoute', ({ url, config }) => {
    if (GUARDED.test(url) && config?.scope === undefined) throw new InvariantError(`The route ${url} states no scope.`);
  });
  instance.addHook('onRequest', async (request) => {
    const { scope } = request.routeOptions.config;
    if (scope === undefined) return;
    const newer = parts.ring.expect(request.headers.authorization);
    if (newer !== undefined) await newer;
    request.principal = authorize(parts.ring, request.headers, scope);
  });
  tellRateLimits(instance);
  parseBodies(instance, parts);
  letConnectionsGo(instance);
}

/** A connection that is kept alive would hold the server open after its last request: while closing, each answer ends its own. */
function letConnectionsGo(instance: FastifyInstance): void {
  let closing = false;
  instance.addHook('preClose', async () => {
    closing = true;
  });
  instance.addHook('onSend', async (_request, reply) => {
    if (closing) void reply.header('connection', 'close');
  });
  // A stream has sent its headers long ago.
  instance.addHook('onResponse', async ({ raw: { socket } }) => {
    if (closing) socket.end();
  });
}

/** JSON is read here, with our own limits and messages; NDJSON and multipart bodies are handed to their routes as streams. */
function parseBodies(instance: FastifyInstance, { http: { maxBodyBytes }, bodies }: Pick<HttpEdgeParts, 'http' | 'bodies'>): void {
  const release = holdBodies(instance);
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser('application/json', (request: FastifyRequest, raw: IncomingMessage) =>
    readJsonBody(raw, maxBodyBytes, release(request, bodies.take())),
  );
  instance.addContentTypeParser(NDJSON_TYPES, (_request: FastifyRequest, raw: IncomingMessage, done) => done(null, raw));
  instance.addContentTypeParser('multipart/form-data', (request: FastifyRequest, raw: IncomingMessage, done) =>
    request.routeOptions.config.takesMultipart === true ? done(null, raw) : done(notJson()),
  );
  instance.addContentTypeParser('*', async () => {
    throw notJson();
  });
}

const notJson = (): RerankError =>
  new RerankError(
    'unsupported_media_type',
    'Send JSON, with the header "Content-Type: application/json"; documents and jobs may come as NDJSON, "application/x-ndjson", too.',
  );

/** A body is in hand until its request has been answered, or nobody waits for the answer. */
function holdBodies(instance: FastifyInstance): (request: FastifyRequest, body: BodyInHand) => BodyInHand {
  instance.decorateRequest('bodyInHand', null);
  instance.addHook('onRequest', async (request, reply) => {
    reply.raw.once('close', () => request.bodyInHand?.drop());
  });
  instance.addHook('onResponse', async (request) => request.bodyInHand?.drop());
  return (request, body) => (request.bodyInHand = body);
}

/** The router refuses a malformed path before any hook or filter runs. */
function answerUnroutable(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const problem = describeProblem(asRerankError(error), request.id);
  void reply.status(problem.status).headers(problem.headers).send(problem.body);
}

/** What the parser of HTTP refuses never becomes a request. */
function answerUnparsable(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const known = tooLarge
    ? new RerankError('payload_too_large', 'The headers are too large.')
    : new RerankError(
        'invalid_request',
        error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'The request did not arrive in time.' : 'This is not a valid HTTP request.',
      );
  const problem = describeProblem(known, requestIdOf({ headers: {} }));
  const body = JSON.stringify(problem.body);
  const headers = Object.entries({ ...problem.headers, 'content-length': String(Buffer.byteLength(body)), connection: 'close' });
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\n${head}\r\n${body}`);
}
