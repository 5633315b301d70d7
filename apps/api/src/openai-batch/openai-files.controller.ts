import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import {
  openAiFileQuerySchema,
  type OpenAiDeletedFile,
  type OpenAiFile,
  type OpenAiFileList,
  type OpenAiFileQuery,
} from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { CompatibleRoute } from '../compat/compatible-route.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { sendStream } from '../http/send-stream.js';
import { ZodPipe } from '../http/zod-pipe.js';
import { CONFIG, LOGGER, OPENAI_FILES_SERVICE } from '../tokens.js';
import type { OpenAiFilesService } from './openai-files.service.js';

/** OpenAI's files, as far as batches need them. */
@Controller('v1/files')
export class OpenAiFilesController {
  constructor(
    @Inject(OPENAI_FILES_SERVICE) private readonly files: OpenAiFilesService,
    @Inject(CONFIG) private readonly config: Pick<Config, 'streams'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Post()
  @HttpCode(200)
  @CompatibleRoute('openai', { scope: 'jobs', takesMultipart: true })
  async upload(@Req() { headers, raw }: FastifyRequest, @Context() context: RequestContext): Promise<OpenAiFile> {
    if (!/^multipart\/form-data\b/i.test(headers['content-type'] ?? ''))
      throw new RerankError('unsupported_media_type', 'Send multipart/form-data, with the fields "file" and "purpose".');
    return await this.files.upload(raw, context);
  }

  @Get()
  @CompatibleRoute('openai', { scope: 'jobs' })
  list(@Query(new ZodPipe(openAiFileQuerySchema)) query: OpenAiFileQuery, @Context() context: RequestContext): Promise<OpenAiFileList> {
    return this.files.list(query, context);
  }

  @Get(':id')
  @CompatibleRoute('openai', { scope: 'jobs' })
  get(@Param('id') id: string, @Context() context: RequestContext): Promise<OpenAiFile> {
    return this.files.get(id, context);
  }

  @Get(':id/content')
  @CompatibleRoute('openai', { scope: 'jobs' })
  async content(
    @Param('id') id: string,
    @Context() context: RequestContext,
    @Req() { headers }: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { requestId, signal } = context;
    sendStream(reply, await this.files.content(id, context), {
      type: 'application/jsonl',
      idleMs: this.config.streams.idleMs,
      acceptEncoding: [headers['accept-encoding'] ?? ''].flat().join(','),
      onFault: (error) => {
        if (!signal.aborted) this.logger.warn({ err: error, file: id, request_id: requestId }, 'a file was cut off by a fault');
      },
    });
  }

  @Delete(':id')
  @CompatibleRoute('openai', { scope: 'jobs' })
  delete(@Param('id') id: string, @Context() context: RequestContext): Promise<OpenAiDeletedFile> {
    return this.files.delete(id, context);
  }
}
