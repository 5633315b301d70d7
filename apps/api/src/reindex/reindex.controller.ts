import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { reindexRequestSchema, type ReindexBody, type ReindexRequestBody, type reindexListSchema } from '@rerank-fleet/core/contracts';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { RequiresScope } from '../auth/scope.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { ZodPipe } from '../http/zod-pipe.js';
import { REINDEX_SERVICE } from '../tokens.js';
import { reindexListQuerySchema, rethrottleQuerySchema, type ReindexListQuery, type RethrottleQuery } from './reindex-queries.js';
import type { ReindexService } from './reindex.service.js';

@Controller('v1/admin')
export class ReindexController {
  constructor(@Inject(REINDEX_SERVICE) private readonly reindexes: ReindexService) {}

  @Post('corpora/:name/reindex')
  @HttpCode(202)
  @RequiresScope('admin')
  async start(
    @Param('name') name: string,
    @Body(new ZodPipe(reindexRequestSchema, {})) request: ReindexRequestBody,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReindexBody> {
    const reindex = await this.reindexes.start(name, request, context);
    void reply.header('location', reindex.urls.self);
    return reindex;
  }

  @Get('reindex')
  @RequiresScope('admin')
  async list(
    @Query(new ZodPipe(reindexListQuerySchema)) { corpus }: ReindexListQuery,
    @Context() context: RequestContext,
  ): Promise<z.infer<typeof reindexListSchema>> {
    return { object: 'list', data: [...(await this.reindexes.list(context.tenant, corpus))] };
  }

  @Get('reindex/:id')
  @RequiresScope('admin')
  get(@Param('id') id: string, @Context() context: RequestContext): Promise<ReindexBody> {
    return this.reindexes.get(context.tenant, id);
  }

  @Post('reindex/:id/rethrottle')
  @HttpCode(200)
  @RequiresScope('admin')
  rethrottle(
    @Param('id') id: string,
    @Query(new ZodPipe(rethrottleQuerySchema)) query: RethrottleQuery,
    @Context() context: RequestContext,
  ): Promise<ReindexBody> {
    return this.reindexes.control(id, { kind: 'rethrottle', requests_per_second: query.requests_per_second }, context);
  }

  @Post('reindex/:id/cancel')
  @HttpCode(200)
  @RequiresScope('admin')
  cancel(@Param('id') id: string, @Context() context: RequestContext): Promise<ReindexBody> {
    return this.reindexes.control(id, { kind: 'cancel' }, context);
  }

  @Post('reindex/:id/promote')
  @HttpCode(200)
  @RequiresScope('admin')
  promote(@Param('id') id: string, @Context() context: RequestContext): Promise<ReindexBody> {
    return this.reindexes.control(id, { kind: 'promote' }, context);
  }

  @Post('reindex/:id/rollback')
  @HttpCode(200)
  @RequiresScope('admin')
  rollback(@Param('id') id: string, @Context() context: RequestContext): Promise<ReindexBody> {
    return this.reindexes.control(id, { kind: 'rollback' }, context);
  }
}
