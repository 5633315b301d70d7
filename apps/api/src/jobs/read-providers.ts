import type { Provider } from '@nestjs/common';
import type { BatchJobs, BatchKeeper } from '@rerank-fleet/core/jobs';
import type { Logger } from 'pino';
import type { Adapters } from '../adapters.module.js';
import { ADAPTERS, BATCH_JOBS, BATCH_KEEPER, JOB_READS_SERVICE, JOB_STREAMS_SERVICE, JOB_VIEW, JOB_WATCH, LOGGER } from '../tokens.js';
import { JobReadsService } from './job-reads.service.js';
import { JobStreamsService } from './job-streams.service.js';
import type { JobView } from './job-view.js';
import { JobWatch } from './job-watch.js';

/** The read side of jobs. */
export const READ_PROVIDERS: Provider[] = [
  {
    provide: JOB_WATCH,
    inject: [ADAPTERS, JOB_VIEW, LOGGER],
    useFactory: ({ batchEvents }: Adapters, view: JobView, logger: Logger) =>
      new JobWatch({ view, listen: (listener) => batchEvents.listen(listener), logger }),
  },
  {
    provide: JOB_READS_SERVICE,
    inject: [ADAPTERS, BATCH_JOBS, BATCH_KEEPER, JOB_VIEW],
    useFactory: ({ jobs: ingests, batchLedger: ledger, jobRoom: room }: Adapters, batches: BatchJobs, keeper: BatchKeeper, view: JobView) =>
      new JobReadsService({ batches, ingests, view, keeper, ledger, room }),
  },
  {
    provide: JOB_STREAMS_SERVICE,
    inject: [BATCH_JOBS, JOB_VIEW, JOB_WATCH],
    useFactory: (jobs: BatchJobs, view: JobView, watch: JobWatch) => new JobStreamsService({ jobs, view, watch }),
  },
];
