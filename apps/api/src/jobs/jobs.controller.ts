import { Controller, Delete, Get, Headers, HttpCode, Inject, Param, Query, Res } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import type { JobBody, JobListBody } from '@rerank-fleet/core/contracts';
import type { FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { RequiresScope } from '../auth/scope.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { sendStream, type StreamOptions } from '../http/send-stream.js';
import { ZodPipe } from '../http/zod-pipe.js';
import { CONFIG, JOB_READS_SERVICE, JOB_STREAMS_SERVICE, LOGGER } from '../tokens.js';
import type { JobReadsService } from './job-reads.service.js';
import type { JobStreamsService } from './job-streams.service.js';
import { jobListQuerySchema, resultsQuerySchema, type JobListQuery, type ResultsQuery } from './read-queries.js';

@Controller('v1/jobs')
export class JobsController {
  constructor(
    @Inject(JOB_READS_SERVICE) private readonly jobs: JobReadsService,
    @Inject(JOB_STREAMS_SERVICE) private readonly streams: JobStreamsService,
    @Inject(CONFIG) private readonly config: Pick<Config, 'streams'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get()
  @RequiresScope(['jobs', 'ingest'])
  list(@Query(new ZodPipe(jobListQuerySchema)) query: JobListQuery, @Context() context: RequestContext): Promise<JobListBody> {
    return this.jobs.list(context, query);
  }

  @Get(':id')
  @RequiresScope(['jobs', 'ingest'])
  get(@Param('id') id: string, @Context() context: RequestContext): Promise<JobBody> {
    return this.jobs.get(context, id);
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresScope(['jobs', 'ingest'])
  async remove(@Param('id') id: string, @Context() context: RequestContext): Promise<void> {
    await this.jobs.remove(context, id);
  }

  @Get(':id/results')
  @RequiresScope('jobs')
  async results(
    @Param('id') id: string,
    @Query(new ZodPipe(resultsQuerySchema)) query: ResultsQuery,
    @Headers('accept-encoding') acceptEncoding: string | undefined,
    @Context() context: RequestContext,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const lines = await this.streams.results(id, query, context);
    sendStream(reply, lines, {
      ...this.#streamOf(id, context),
      type: 'application/x-ndjson',
      acceptEncoding: acceptEncoding ?? '',
      live: query.follow,
    });
  }

  @Get(':id/events')
  @RequiresScope('jobs')
  async events(
    @Param('id') id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Context() context: RequestContext,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const events = await this.streams.events(id, lastEventId, context);
    // A browser would come back for ever; this tells it not to.
    if (events === undefined) void reply.status(204).send();
    else sendStream(reply, events, { ...this.#streamOf(id, context), type: 'text/event-stream; charset=utf-8' });
  }

  #streamOf(job: string, { requestId, tenant }: RequestContext): Pick<StreamOptions, 'idleMs' | 'onFault' | 'onLeft'> {
    const line = { request_id: requestId, tenant, job };
    return {
      idleMs: this.config.streams.idleMs,
      onFault: (error) => this.logger.warn({ ...line, err: error }, 'a stream was cut off by a fault'),
      onLeft: () => this.logger.info({ ...line, client_gone: true }, 'a client left before the end of a stream'),
    };
  }
}
