import { Body, Controller, HttpCode, Inject, Post, Res } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import type { RerankResponse, TeiRerankResponse } from '@rerank-fleet/core/contracts';
import type { FastifyReply } from 'fastify';
import { Context, type RequestContext } from '../http/request-context.js';
import { asJson } from '../http/zod-pipe.js';
import { readRerankRequest } from '../rerank/read-rerank-request.js';
import type { RerankService } from '../rerank/rerank.service.js';
import { CONFIG, RERANK_SERVICE } from '../tokens.js';
import { CompatibleRoute } from './compatible-route.js';
import { nameIgnored } from './read-compatible-body.js';
import { fromTei, isTeiBody, readTeiRequest, toTei } from './tei-mapping.js';

/** The path without a version: Text Embeddings Inference's where the body has `texts`, else another name of `/v1/rerank`. */
@Controller('rerank')
export class RootRerankController {
  constructor(
    @Inject(RERANK_SERVICE) private readonly service: RerankService,
    @Inject(CONFIG) private readonly config: Pick<Config, 'http'>,
  ) {}

  @Post()
  @HttpCode(200)
  @CompatibleRoute('tei-if-texts')
  async rerank(
    @Body() body: unknown,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RerankResponse | TeiRerankResponse> {
    const { maxDocuments } = this.config.http;
    const json = asJson(body);
    if (isTeiBody(json)) {
      const read = readTeiRequest(json, maxDocuments);
      nameIgnored(reply, read);
      return toTei(await this.service.rerank(fromTei(read.request), context));
    }
    const read = readRerankRequest(json, maxDocuments);
    nameIgnored(reply, read);
    return await this.service.rerank(read.request, context);
  }
}
