import { Body, Controller, HttpCode, Inject, Post, Res } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import { voyageRerankRequestSchema, type VoyageRerankResponse } from '@rerank-fleet/core/contracts';
import type { FastifyReply } from 'fastify';
import { Context, type RequestContext } from '../http/request-context.js';
import { asJson } from '../http/zod-pipe.js';
import type { RerankService } from '../rerank/rerank.service.js';
import { CONFIG, RERANK_SERVICE } from '../tokens.js';
import { CompatibleRoute } from './compatible-route.js';
import { nameIgnored, readCompatibleBody } from './read-compatible-body.js';
import { fromVoyage, toVoyage } from './voyage-mapping.js';

/** Voyage's; a client's base URL is `…/v1/voyage`, as its own rerank has the path of ours. */
@Controller('v1/voyage/rerank')
export class VoyageController {
  constructor(
    @Inject(RERANK_SERVICE) private readonly service: RerankService,
    @Inject(CONFIG) private readonly config: Pick<Config, 'http'>,
  ) {}

  @Post()
  @HttpCode(200)
  @CompatibleRoute('voyage')
  async rerank(
    @Body() body: unknown,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VoyageRerankResponse> {
    const { maxDocuments } = this.config.http;
    const read = readCompatibleBody(voyageRerankRequestSchema, asJson(body), { field: 'documents', maxDocuments });
    nameIgnored(reply, read);
    return toVoyage(await this.service.rerank(fromVoyage(read.request), context));
  }
}
