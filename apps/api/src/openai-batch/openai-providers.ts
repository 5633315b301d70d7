import type { Provider } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import { FileStore, OpenAiBatches, purgeFiles, type BatchJobs, type BatchKeeper } from '@rerank-fleet/core/jobs';
import type { Logger } from 'pino';
import type { Adapters } from '../adapters.module.js';
import type { JobActionsService } from '../jobs/job-actions.service.js';
import type { JobSubmissionService } from '../jobs/job-submission.service.js';
import type { JobView } from '../jobs/job-view.js';
import * as tokens from '../tokens.js';
import { BatchValidator } from './batch-validator.js';
import { OpenAiBatchesController } from './openai-batches.controller.js';
import { OpenAiBatchesService } from './openai-batches.service.js';
import { OpenAiFilesController } from './openai-files.controller.js';
import { OpenAiFilesService } from './openai-files.service.js';
import { ValidationClock } from './validation-clock.js';

const { ADAPTERS, BATCH_JOBS, BATCH_KEEPER, CONFIG, JOB_ACTIONS_SERVICE, JOB_SUBMISSION_SERVICE, JOB_VIEW, LOGGER } = tokens;

export const OPENAI_CONTROLLERS = [OpenAiFilesController, OpenAiBatchesController];

/** Files and batches of the OpenAI dialect, over the engine of all jobs. */
export const OPENAI_PROVIDERS: Provider[] = [
  { provide: FileStore, inject: [ADAPTERS], useFactory: ({ blobs, now }: Adapters) => new FileStore(blobs, now) },
  { provide: OpenAiBatches, inject: [ADAPTERS], useFactory: ({ blobs }: Adapters) => new OpenAiBatches(blobs) },
  {
    provide: BatchValidator,
    inject: [ADAPTERS, CONFIG, FileStore, OpenAiBatches, BATCH_JOBS, BATCH_KEEPER, JOB_SUBMISSION_SERVICE, LOGGER],
    useFactory: (
      { now }: Adapters,
      { http }: Config,
      files: FileStore,
      batches: OpenAiBatches,
      jobs: BatchJobs,
      keeper: BatchKeeper,
      submissions: JobSubmissionService,
      logger: Logger,
    ) => new BatchValidator({ batches, files, jobs, keeper, submissions, maxLineBytes: http.maxBodyBytes, now, logger }),
  },
  {
    provide: ValidationClock,
    inject: [ADAPTERS, FileStore, OpenAiBatches, BATCH_JOBS, BatchValidator, LOGGER],
    useFactory: (
      { blobs, now }: Adapters,
      files: FileStore,
      batches: OpenAiBatches,
      jobs: BatchJobs,
      validator: BatchValidator,
      logger: Logger,
    ) => new ValidationClock({ validator, purge: () => purgeFiles({ blobs, files, batches, jobs, log: logger, now }), logger }),
  },
  {
    provide: tokens.OPENAI_FILES_SERVICE,
    inject: [CONFIG, FileStore, OpenAiBatches, BATCH_JOBS],
    useFactory: ({ http }: Config, files: FileStore, batches: OpenAiBatches, jobs: BatchJobs) =>
      new OpenAiFilesService({ files, batches, jobs, maxBytes: http.maxIngestBytes }),
  },
  {
    provide: tokens.OPENAI_BATCHES_SERVICE,
    inject: [ADAPTERS, FileStore, OpenAiBatches, BATCH_JOBS, JOB_VIEW, JOB_ACTIONS_SERVICE, BatchValidator],
    useFactory: (
      { now }: Adapters,
      files: FileStore,
      batches: OpenAiBatches,
      jobs: BatchJobs,
      view: JobView,
      actions: JobActionsService,
      validator: BatchValidator,
    ) => new OpenAiBatchesService({ batches, files, jobs, view, actions, validator, now }),
  },
];
