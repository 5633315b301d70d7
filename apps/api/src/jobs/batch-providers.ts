import type { Provider } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import { BatchDispatcher, BatchJobs, BatchKeeper, enqueueWebhook, IdempotencyKeys, slotsOf } from '@rerank-fleet/core/jobs';
import type { FleetView, RequestRouter } from '@rerank-fleet/core/requests';
import type { Logger } from 'pino';
import type { Adapters } from '../adapters.module.js';
import type { JobAdmission } from '../admission/job-admission.js';
import * as tokens from '../tokens.js';
import { JobActionsService } from './job-actions.service.js';
import { JobIntake } from './job-intake.js';
import { JobSubmissionService } from './job-submission.service.js';
import { JobView } from './job-view.js';
import { KeeperClock } from './keeper-clock.js';
import { secondsOf } from './seconds-of.js';

const { ADAPTERS, BATCH_DISPATCHER, BATCH_JOBS, BATCH_KEEPER, CONFIG, FLEET_VIEW, LOGGER, REQUEST_ROUTER } = tokens;

/** What batch jobs are kept with, one of each a process. */
export const BATCH_PROVIDERS: Provider[] = [
  { provide: BATCH_JOBS, inject: [ADAPTERS], useFactory: ({ blobs }: Adapters) => new BatchJobs(blobs) },
  {
    provide: BATCH_DISPATCHER,
    inject: [CONFIG, ADAPTERS],
    useFactory: ({ jobs: { tenantWeights: weights } }: Config, { batchLedger: ledger, queue, fleet, now }: Adapters) =>
      new BatchDispatcher({ ledger, queue, slotsOf: slotsOf(fleet), weights, now }),
  },
  {
    provide: BATCH_KEEPER,
    inject: [ADAPTERS, BATCH_JOBS, BATCH_DISPATCHER, LOGGER],
    useFactory: ({ batchLedger: ledger, queue, jobRoom, now }: Adapters, jobs: BatchJobs, dispatcher: BatchDispatcher, log: Logger) =>
      new BatchKeeper({
        jobs,
        ledger,
        dispatcher,
        onEnded: async (record) => {
          await jobRoom.freeRows(record.tenant, record.id);
          await enqueueWebhook(queue, record);
        },
        log,
        now,
      }),
  },
  {
    provide: KeeperClock,
    inject: [BATCH_KEEPER, LOGGER],
    useFactory: (keeper: BatchKeeper, logger: Logger) => new KeeperClock(keeper, logger),
  },
  {
    provide: tokens.JOB_VIEW,
    inject: [ADAPTERS, BATCH_JOBS],
    useFactory: ({ batchLedger: ledger, now }: Adapters, jobs: BatchJobs) => new JobView({ jobs, ledger, now }),
  },
  {
    provide: tokens.JOB_INTAKE,
    inject: [CONFIG, ADAPTERS, FLEET_VIEW, REQUEST_ROUTER],
    useFactory: ({ http }: Config, { documentStore: documents }: Adapters, fleet: FleetView, router: RequestRouter) =>
      new JobIntake({ documents, fleet, router, http }),
  },
  {
    provide: tokens.JOB_SUBMISSION_SERVICE,
    inject: [ADAPTERS, BATCH_JOBS, BATCH_KEEPER, tokens.JOB_INTAKE, LOGGER, tokens.JOB_ADMISSION],
    useFactory: (
      { blobs, fleet, now }: Adapters,
      jobs: BatchJobs,
      keeper: BatchKeeper,
      intake: JobIntake,
      logger: Logger,
      admission: JobAdmission,
    ) =>
      new JobSubmissionService({
        admission,
        jobs,
        keeper,
        keys: new IdempotencyKeys(blobs),
        intake,
        secondsOf: (pool, work) => secondsOf(fleet, pool, work),
        now,
        logger,
      }),
  },
  {
    provide: tokens.JOB_ACTIONS_SERVICE,
    inject: [BATCH_JOBS, BATCH_KEEPER, tokens.JOB_VIEW, tokens.JOB_SUBMISSION_SERVICE],
    useFactory: (jobs: BatchJobs, keeper: BatchKeeper, view: JobView, submissions: JobSubmissionService) =>
      new JobActionsService({ jobs, keeper, view, submissions }),
  },
];
