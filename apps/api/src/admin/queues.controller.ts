import { Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import type { DrainedQueueBody, QueueBody, QueueListBody } from '@rerank-fleet/core/contracts';
import type { Logger } from 'pino';
import { RequiresScope } from '../auth/scope.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { LOGGER, QUEUES_SERVICE } from '../tokens.js';
import type { QueuesService } from './queues.service.js';

@Controller('v1/admin/queues')
export class QueuesController {
  constructor(
    @Inject(QUEUES_SERVICE) private readonly queues: QueuesService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get()
  @RequiresScope('operator')
  list(): Promise<QueueListBody> {
    return this.queues.list();
  }

  @Post(':queue/pause')
  @HttpCode(200)
  @RequiresScope('operator')
  async pause(@Param('queue') name: string, @Context() context: RequestContext): Promise<QueueBody> {
    return this.#told('paused', context, await this.queues.pause(name));
  }

  @Post(':queue/resume')
  @HttpCode(200)
  @RequiresScope('operator')
  async resume(@Param('queue') name: string, @Context() context: RequestContext): Promise<QueueBody> {
    return this.#told('resumed', context, await this.queues.resume(name));
  }

  @Post(':queue/drain')
  @HttpCode(200)
  @RequiresScope('operator')
  async drain(@Param('queue') name: string, @Context() context: RequestContext): Promise<DrainedQueueBody> {
    return this.#told('drained', context, await this.queues.drain(name));
  }

  #told<Body extends QueueBody>(what: 'paused' | 'resumed' | 'drained', { requestId, tenant }: RequestContext, queue: Body): Body {
    this.logger.warn({ request_id: requestId, tenant, queue: queue.name }, `an operator has ${what} a queue`);
    return queue;
  }
}
