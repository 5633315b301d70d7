import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import {
  deadLetterQuerySchema,
  type DeadLetterListBody,
  type DeadLetterQuery,
  type RetriedDeadLetterBody,
} from '@rerank-fleet/core/contracts';
import type { Logger } from 'pino';
import { RequiresScope } from '../auth/scope.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { ZodPipe } from '../http/zod-pipe.js';
import { DEAD_LETTERS_SERVICE, LOGGER, RETRY_PARTS } from '../tokens.js';
import type { DeadLettersService } from './dead-letters.service.js';
import { retryDeadLetter, type RetryParts } from './retry-dead-letter.js';

@Controller('v1/admin/dead-letters')
export class DeadLettersController {
  constructor(
    @Inject(DEAD_LETTERS_SERVICE) private readonly letters: DeadLettersService,
    @Inject(RETRY_PARTS) private readonly retryParts: RetryParts,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get()
  @RequiresScope('operator')
  list(@Query(new ZodPipe(deadLetterQuerySchema)) query: DeadLetterQuery): Promise<DeadLetterListBody> {
    return this.letters.list(query);
  }

  @Post(':id/retry')
  @HttpCode(202)
  @RequiresScope('operator')
  async retry(@Param('id') id: string, @Context() context: RequestContext): Promise<RetriedDeadLetterBody> {
    const retried = await retryDeadLetter(this.retryParts, id, context);
    const { requestId, tenant } = context;
    this.logger.warn({ request_id: requestId, tenant, dead_letter: id, job: retried.job_id }, 'an operator has retried a dead letter');
    return retried;
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresScope('operator')
  async remove(@Param('id') id: string, @Context() { requestId, tenant }: RequestContext): Promise<void> {
    await this.letters.remove(id);
    this.logger.warn({ request_id: requestId, tenant, dead_letter: id }, 'an operator has removed a dead letter');
  }
}
