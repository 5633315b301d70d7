import type { Provider } from '@nestjs/common';
import type { BatchDispatcher, BatchJobs } from '@rerank-fleet/core/jobs';
import type { Logger } from 'pino';
import type { Adapters } from '../adapters.module.js';
import type { ApiKeyRing } from '../auth/api-key-ring.js';
import type { StoredKeys } from '../auth/stored-keys.js';
import type { JobActionsService } from '../jobs/job-actions.service.js';
import * as tokens from '../tokens.js';
import { DeadLettersController } from './dead-letters.controller.js';
import { DeadLettersService } from './dead-letters.service.js';
import { KeysController } from './keys.controller.js';
import { KeysService } from './keys.service.js';
import { QueuesController } from './queues.controller.js';
import { QueuesService } from './queues.service.js';
import type { RetryParts } from './retry-dead-letter.js';
import { WorkersController } from './workers.controller.js';
import { WorkersService } from './workers.service.js';

const { ADAPTERS, API_KEY_RING, BATCH_DISPATCHER, BATCH_JOBS, LOGGER, STORED_KEYS } = tokens;

export const ADMIN_CONTROLLERS = [WorkersController, QueuesController, DeadLettersController, KeysController];

/** What operators work with. */
export const ADMIN_PROVIDERS: Provider[] = [
  {
    provide: tokens.WORKERS_SERVICE,
    inject: [ADAPTERS],
    useFactory: ({ fleet, now }: Adapters) => new WorkersService({ fleet, now }),
  },
  {
    provide: tokens.QUEUES_SERVICE,
    inject: [ADAPTERS, LOGGER],
    useFactory: ({ queueControl: control, queue, fleet, board: answers, bodies, jobs: ingests, now }: Adapters, log: Logger) =>
      new QueuesService({ control, queue, fleet, answers, bodies, ingests, now, log }),
  },
  {
    provide: tokens.DEAD_LETTERS_SERVICE,
    inject: [ADAPTERS],
    useFactory: ({ queueControl: control, fleet }: Adapters) => new DeadLettersService({ control, fleet }),
  },
  {
    provide: tokens.RETRY_PARTS,
    inject: [ADAPTERS, tokens.DEAD_LETTERS_SERVICE, BATCH_JOBS, BATCH_DISPATCHER, tokens.JOB_ACTIONS_SERVICE],
    useFactory: (
      { jobs: ingests, dispatcher, queue }: Adapters,
      letters: DeadLettersService,
      batches: BatchJobs,
      batchDispatcher: BatchDispatcher,
      actions: JobActionsService,
    ): RetryParts => ({ letters, batches, ingests, actions, batchDispatcher, dispatcher, queue }),
  },
  {
    provide: tokens.KEYS_SERVICE,
    inject: [ADAPTERS, STORED_KEYS, API_KEY_RING],
    useFactory: ({ apiKeys: store, now }: Adapters, remembered: StoredKeys, ring: ApiKeyRing) =>
      new KeysService({ store, remembered, ring, now }),
  },
];
