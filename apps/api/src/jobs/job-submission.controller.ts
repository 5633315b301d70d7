import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Body, Controller, Headers, HttpCode, Inject, Param, Post, Res } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import type { BatchJobBody, JobEstimateBody } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { FastifyReply } from 'fastify';
import { RequiresScope } from '../auth/scope.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { CONFIG, JOB_ACTIONS_SERVICE, JOB_SUBMISSION_SERVICE, JOB_VIEW } from '../tokens.js';
import type { JobActionsService } from './job-actions.service.js';
import type { JobDraft } from './job-draft.js';
import type { AcceptedJob, JobSubmissionService } from './job-submission.service.js';
import type { JobView } from './job-view.js';
import { readSubmission } from './read-submission.js';

@Controller('v1/jobs')
export class JobSubmissionController {
  constructor(
    @Inject(JOB_SUBMISSION_SERVICE) private readonly submissions: JobSubmissionService,
    @Inject(JOB_ACTIONS_SERVICE) private readonly actions: JobActionsService,
    @Inject(JOB_VIEW) private readonly view: JobView,
    @Inject(CONFIG) private readonly config: Pick<Config, 'http' | 'webhooks'>,
  ) {}

  @Post()
  @HttpCode(202)
  @RequiresScope('jobs')
  async submit(
    @Body() body: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BatchJobBody> {
    return await this.#answer(await this.submissions.submit(await this.#draft(body, idempotencyKey(key)), context), reply);
  }

  @Post('estimate')
  @HttpCode(200)
  @RequiresScope('jobs')
  async estimate(@Body() body: unknown, @Context() context: RequestContext): Promise<JobEstimateBody> {
    return await this.submissions.estimate(await this.#draft(body), context);
  }

  @Post(':id/retry')
  @HttpCode(202)
  @RequiresScope('jobs')
  async retry(
    @Param('id') id: string,
    @Headers('idempotency-key') key: string | undefined,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BatchJobBody> {
    return await this.#answer(await this.actions.retry(id, idempotencyKey(key), context), reply);
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @RequiresScope('jobs')
  async cancel(@Param('id') id: string, @Context() context: RequestContext): Promise<BatchJobBody> {
    return await this.view.describe(await this.actions.cancel(id, context));
  }

  async #draft(body: unknown, key?: string): Promise<JobDraft> {
    const sent = createHash('sha256').update(body instanceof Readable ? 'lines\n' : 'requests\n');
    const { http, webhooks } = this.config;
    const onBytes = key === undefined ? undefined : (bytes: Uint8Array | string) => void sent.update(bytes);
    const submission = await readSubmission(body, { http, webhooks, onBytes });
    return {
      ...submission,
      dialect: 'native',
      ...(key === undefined ? {} : { idempotency: { key, bodySha256: () => sent.copy().digest('hex') } }),
    };
  }

  async #answer({ record, replayed }: AcceptedJob, reply: FastifyReply): Promise<BatchJobBody> {
    const job = await this.view.describe(record);
    void reply.header('location', job.urls.self);
    if (replayed) void reply.header('idempotent-replayed', 'true');
    return job;
  }
}

const LONGEST_KEY = 255;

/** @throws RerankError `invalid_request` */
export function idempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (header === '' || header.length > LONGEST_KEY)
    throw new RerankError('invalid_request', `The Idempotency-Key must have 1 to ${LONGEST_KEY} characters.`);
  return header;
}
