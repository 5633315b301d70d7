import { Body, Controller, HttpCode, Inject, Post, Res } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import type { RerankResponse } from '@rerank-fleet/core/contracts';
import type { FastifyReply } from 'fastify';
import { RequiresScope } from '../auth/scope.js';
import { nameIgnored } from '../compat/read-compatible-body.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { asJson } from '../http/zod-pipe.js';
import { CONFIG, RERANK_SERVICE } from '../tokens.js';
import { readRerankRequest } from './read-rerank-request.js';
import type { RerankService } from './rerank.service.js';

@Controller()
export class RerankController {
  constructor(
    @Inject(RERANK_SERVICE) private readonly service: RerankService,
    @Inject(CONFIG) private readonly config: Pick<Config, 'http'>,
  ) {}

  @Post('v1/rerank')
  @HttpCode(200)
  @RequiresScope('search')
  rerank(
    @Body() body: unknown,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RerankResponse> {
    const read = readRerankRequest(asJson(body), this.config.http.maxDocuments);
    nameIgnored(reply, read);
    return this.service.rerank(read.request, context);
  }
}
