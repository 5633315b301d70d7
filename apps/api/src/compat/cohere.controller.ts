import { Body, Controller, HttpCode, Inject, Post, Res } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import { cohereRerankRequestSchema, type CohereRerankResponse } from '@rerank-fleet/core/contracts';
import type { FastifyReply } from 'fastify';
import { Context, type RequestContext } from '../http/request-context.js';
import { asJson } from '../http/zod-pipe.js';
import type { RerankService } from '../rerank/rerank.service.js';
import { CONFIG, RERANK_SERVICE } from '../tokens.js';
import { fromCohere, toCohere } from './cohere-mapping.js';
import { CompatibleRoute } from './compatible-route.js';
import { nameIgnored, readCompatibleBody } from './read-compatible-body.js';

/** Cohere's v2. */
@Controller('v2/rerank')
export class CohereController {
  constructor(
    @Inject(RERANK_SERVICE) private readonly service: RerankService,
    @Inject(CONFIG) private readonly config: Pick<Config, 'http'>,
  ) {}

  @Post()
  @HttpCode(200)
  @CompatibleRoute('cohere')
  async rerank(
    @Body() body: unknown,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CohereRerankResponse> {
    const { maxDocuments } = this.config.http;
    const read = readCompatibleBody(cohereRerankRequestSchema, asJson(body), { field: 'documents', maxDocuments });
    nameIgnored(reply, read);
    return toCohere(await this.service.rerank(fromCohere(read.request), context, { priority: read.request.priority }));
  }
}
