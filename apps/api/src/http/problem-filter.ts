import { Catch, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { RerankError } from '@rerank-fleet/core/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { AdmissionError } from '../admission/admission-error.js';
import { errorDialectOf } from '../compat/compatible-route.js';
import { describeInDialect } from '../compat/error-dialects.js';
import { LOGGER } from '../tokens.js';
import { discardRest } from './body-bytes.js';
import { asRerankError, describeProblem } from './problem.js';
import { allowedMethods } from './route-table.js';

/** The one place where an error becomes an answer. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (request.clientGone?.signal.aborted === true) {
      // Nobody reads an answer. Fastify still wants its reply to end.
      reply.hijack();
      reply.raw.destroy();
      return;
    }
    const error = this.#withMethods(asRerankError(thrown), request, reply);
    request.failure = error.code;
    if (error instanceof AdmissionError) request.refusal = error.reason;
    if (error.status >= 500) this.#log(error, thrown, request);
    const dialect = errorDialectOf(request);
    const answer = dialect === undefined ? describeProblem(error, request.id) : describeInDialect(dialect, error, request.id);
    if (reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    // Fastify closes the connection of a body that it did not like; a client that is still sending would then never read why.
    void reply.removeHeader('connection');
    discardRest(request.raw);
    void reply.status(answer.status).headers(answer.headers).send(answer.body);
  }

  /** An unknown route is named, and so are the methods that the path does take. */
  #withMethods(error: RerankError, request: FastifyRequest, reply: FastifyReply): RerankError {
    if (error.code !== 'route_not_found') return error;
    const allowed = allowedMethods(request.server, request.url);
    if (allowed.length === 0) return new RerankError('route_not_found', 'There is no such route. /docs lists all.');
    void reply.header('allow', allowed.join(', '));
    return new RerankError('route_not_found', `This path does not take ${request.method}; it takes ${allowed.join(', ')}.`);
  }

  #log(error: RerankError, thrown: unknown, request: FastifyRequest): void {
    const line = { request_id: request.id, code: error.code };
    if (error.code === 'internal_error')
      this.logger.error({ ...line, err: error.cause ?? thrown }, 'a request failed by an unexpected fault');
    else if (error.cause !== undefined) this.logger.warn({ ...line, err: error.cause }, error.detail);
  }
}
