import { Controller, Get, Inject, Param } from '@nestjs/common';
import type { IngestJobBody } from '@rerank-fleet/core/contracts';
import { RequiresScope } from '../auth/scope.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { JOBS_SERVICE } from '../tokens.js';
import type { JobsService } from './jobs.service.js';

@Controller('v1/jobs')
export class JobsController {
  constructor(@Inject(JOBS_SERVICE) private readonly jobs: JobsService) {}

  @Get(':id')
  @RequiresScope('ingest')
  get(@Param('id') id: string, @Context() context: RequestContext): Promise<IngestJobBody> {
    return this.jobs.get(context.tenant, id);
  }
}
