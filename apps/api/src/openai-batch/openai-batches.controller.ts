import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import {
  openAiBatchQuerySchema,
  openAiBatchRequestSchema,
  type OpenAiBatch,
  type OpenAiBatchList,
  type OpenAiBatchQuery,
} from '@rerank-fleet/core/contracts';
import type { FastifyReply } from 'fastify';
import { CompatibleRoute } from '../compat/compatible-route.js';
import { nameIgnored, readCompatibleBody } from '../compat/read-compatible-body.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { asJson, ZodPipe } from '../http/zod-pipe.js';
import { OPENAI_BATCHES_SERVICE } from '../tokens.js';
import type { OpenAiBatchesService } from './openai-batches.service.js';

/** OpenAI's batches. */
@Controller('v1/batches')
export class OpenAiBatchesController {
  constructor(@Inject(OPENAI_BATCHES_SERVICE) private readonly batches: OpenAiBatchesService) {}

  @Post()
  @HttpCode(200)
  @CompatibleRoute('openai', { scope: 'jobs' })
  async create(
    @Body() body: unknown,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OpenAiBatch> {
    const read = readCompatibleBody(openAiBatchRequestSchema, asJson(body));
    nameIgnored(reply, read);
    return await this.batches.create(read.request, context);
  }

  @Get()
  @CompatibleRoute('openai', { scope: 'jobs' })
  list(@Query(new ZodPipe(openAiBatchQuerySchema)) query: OpenAiBatchQuery, @Context() context: RequestContext): Promise<OpenAiBatchList> {
    return this.batches.list(query, context);
  }

  @Get(':id')
  @CompatibleRoute('openai', { scope: 'jobs' })
  get(@Param('id') id: string, @Context() context: RequestContext): Promise<OpenAiBatch> {
    return this.batches.get(id, context);
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @CompatibleRoute('openai', { scope: 'jobs' })
  cancel(@Param('id') id: string, @Context() context: RequestContext): Promise<OpenAiBatch> {
    return this.batches.cancel(id, context);
  }
}
