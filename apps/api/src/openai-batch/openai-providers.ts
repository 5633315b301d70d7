import type { Provider } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import { FileStore, OpenAiBatches, purgeFiles, type BatchJobs, type BatchKeeper } from '@rerank-fleet/core/jobs';
import type { BlobStore } from '@rerank-fleet/core/ports';
import type { Logger } from 'pino';
import type { Adapters } from '../adapters.module.js';
import { FileAdmission } from '../admission/file-admission.js';
import { FileRoomSettler } from '../admission/file-room-settler.js';
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

/** What files and batches are kept with. */
interface Stores {
  readonly blobs: BlobStore;
  readonly files: FileStore;
  readonly batches: OpenAiBatches;
  readonly jobs: BatchJobs;
  readonly now: () => number;
  readonly logger: Logger;
}
const STORES = Symbol('OpenAiStores');

export const OPENAI_CONTROLLERS = [OpenAiFilesController, OpenAiBatchesController];

/** Files and batches of the OpenAI dialect, over the engine of all jobs. */
export const OPENAI_PROVIDERS: Provider[] = [
  {
    provide: STORES,
    inject: [ADAPTERS, BATCH_JOBS, LOGGER],
    useFactory: ({ blobs, now }: Adapters, jobs: BatchJobs, logger: Logger): Stores => {
      return { blobs, files: new FileStore(blobs, now), batches: new OpenAiBatches(blobs), jobs, now, logger };
    },
  },
  {
    provide: FileRoomSettler,
    inject: [ADAPTERS, STORES],
    useFactory: ({ fileRoom: room }: Adapters, { files, blobs }: Stores) => new FileRoomSettler({ room, files, blobs }),
  },
  {
    provide: FileAdmission,
    inject: [CONFIG, ADAPTERS, FileRoomSettler],
    useFactory: ({ admission }: Config, { fileRoom: room }: Adapters, settler: FileRoomSettler) =>
      new FileAdmission({ room, settler, limits: { files: admission.tenantFiles, bytes: admission.tenantFileBytes } }),
  },
  {
    provide: BatchValidator,
    inject: [CONFIG, STORES, BATCH_KEEPER, JOB_SUBMISSION_SERVICE],
    useFactory: ({ http }: Config, stores: Stores, keeper: BatchKeeper, submissions: JobSubmissionService) =>
      new BatchValidator({ ...stores, keeper, submissions, maxLineBytes: http.maxBodyBytes }),
  },
  {
    provide: ValidationClock,
    inject: [STORES, BatchValidator, FileAdmission, FileRoomSettler],
    useFactory: (stores: Stores, validator: BatchValidator, admission: FileAdmission, settler: FileRoomSettler) =>
      new ValidationClock({
        validator,
        purge: async () => {
          await purgeFiles({ ...stores, onRemoved: (tenant, id) => admission.leave(tenant, id), log: stores.logger });
          await settler.settleAll();
        },
        logger: stores.logger,
      }),
  },
  {
    provide: tokens.OPENAI_FILES_SERVICE,
    inject: [CONFIG, STORES, FileAdmission],
    useFactory: ({ http }: Config, stores: Stores, admission: FileAdmission) =>
      new OpenAiFilesService({ ...stores, maxBytes: http.maxIngestBytes, admission }),
  },
  {
    provide: tokens.OPENAI_BATCHES_SERVICE,
    inject: [STORES, JOB_VIEW, JOB_ACTIONS_SERVICE, BatchValidator],
    useFactory: (stores: Stores, view: JobView, actions: JobActionsService, validator: BatchValidator) =>
      new OpenAiBatchesService({ ...stores, view, actions, validator }),
  },
];
