import type { Provider } from '@nestjs/common';
import { BatchDispatcher, BatchJobs, BatchKeeper, slotsOf } from '@rerank-fleet/core/jobs';
import type { Logger } from 'pino';
import type { Adapters } from '../adapters.module.js';
import { ADAPTERS, BATCH_DISPATCHER, BATCH_JOBS, BATCH_KEEPER, LOGGER } from '../tokens.js';

/** What batch jobs are kept with, one of each a process. */
export const BATCH_PROVIDERS: Provider[] = [
  { provide: BATCH_JOBS, inject: [ADAPTERS], useFactory: ({ blobs }: Adapters) => new BatchJobs(blobs) },
  {
    provide: BATCH_DISPATCHER,
    inject: [ADAPTERS],
    useFactory: ({ batchLedger: ledger, queue, fleet, now }: Adapters) =>
      new BatchDispatcher({ ledger, queue, slotsOf: slotsOf(fleet), weights: {}, now }),
  },
  {
    provide: BATCH_KEEPER,
    inject: [ADAPTERS, BATCH_JOBS, BATCH_DISPATCHER, LOGGER],
    useFactory: ({ batchLedger: ledger, now }: Adapters, jobs: BatchJobs, dispatcher: BatchDispatcher, log: Logger) =>
      new BatchKeeper({ jobs, ledger, dispatcher, onEnded: () => Promise.resolve(), log, now }),
  },
];
