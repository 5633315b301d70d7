import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put, Res } from '@nestjs/common';
import {
  corpusNameSchema,
  corpusSettingsSchema,
  type CorpusBody,
  type CorpusSettingsBody,
  type corpusListSchema,
} from '@rerank-fleet/core/contracts';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { RequiresScope } from '../auth/scope.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { ZodPipe } from '../http/zod-pipe.js';
import { CORPORA_SERVICE } from '../tokens.js';
import type { CorporaService } from './corpora.service.js';

@Controller('v1/corpora')
export class CorporaController {
  constructor(@Inject(CORPORA_SERVICE) private readonly corpora: CorporaService) {}

  @Get()
  @RequiresScope('search')
  async list(@Context() context: RequestContext): Promise<z.infer<typeof corpusListSchema>> {
    return { object: 'list', data: [...(await this.corpora.list(context.tenant))] };
  }

  @Get(':name')
  @RequiresScope('search')
  get(@Param('name') name: string, @Context() context: RequestContext): Promise<CorpusBody> {
    return this.corpora.get(context.tenant, name);
  }

  @Put(':name')
  @RequiresScope('admin')
  async put(
    @Param('name', new ZodPipe(corpusNameSchema)) name: string,
    @Body(new ZodPipe(corpusSettingsSchema, {})) settings: CorpusSettingsBody,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CorpusBody> {
    const { created, corpus } = await this.corpora.put(name, settings, context);
    void reply.status(created ? 201 : 200);
    return corpus;
  }

  @Delete(':name')
  @HttpCode(204)
  @RequiresScope('admin')
  delete(@Param('name') name: string, @Context() context: RequestContext): Promise<void> {
    return this.corpora.delete(name, context);
  }
}
