import type { Provider } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import type { BatchJobs } from '@rerank-fleet/core/jobs';
import type { FleetView } from '@rerank-fleet/core/requests';
import type { Logger } from 'pino';
import type { Adapters } from '../adapters.module.js';
import * as tokens from '../tokens.js';
import { AdmissionClock } from './admission-clock.js';
import { FleetSpeed } from './fleet-speed.js';
import { JobAdmission } from './job-admission.js';
import { JobRoomSettler } from './job-room-settler.js';
import { RoomForecast } from './room-forecast.js';
import { SyncAdmission } from './sync-admission.js';

const { ADAPTERS, BATCH_JOBS, CONFIG, FLEET_VIEW, LOGGER } = tokens;
const DAY_MS = 24 * 3_600_000;

/** What lets work in, one of each a process. */
export const ADMISSION_PROVIDERS: Provider[] = [
  { provide: FleetSpeed, inject: [ADAPTERS], useFactory: ({ fleet }: Adapters) => new FleetSpeed(fleet) },
  {
    provide: tokens.SYNC_ADMISSION,
    inject: [CONFIG, ADAPTERS, FLEET_VIEW, FleetSpeed],
    useFactory: ({ admission }: Config, { syncTokens }: Adapters, fleet: FleetView, speed: FleetSpeed) =>
      new SyncAdmission({ tokens: syncTokens, fleet, speed, limit: admission.tenantSyncTokens }),
  },
  {
    provide: JobRoomSettler,
    inject: [ADAPTERS, BATCH_JOBS],
    useFactory: ({ jobRoom: room, blobs }: Adapters, jobs: BatchJobs) => new JobRoomSettler({ room, jobs, blobs }),
  },
  {
    provide: RoomForecast,
    inject: [CONFIG, ADAPTERS, BATCH_JOBS],
    useFactory: ({ worker }: Config, { jobRoom: room, batchLedger: ledger, now }: Adapters, jobs: BatchJobs) =>
      new RoomForecast({ room, jobs, ledger, retentionMs: worker.jobRetentionDays * DAY_MS, now }),
  },
  {
    provide: tokens.JOB_ADMISSION,
    inject: [CONFIG, ADAPTERS, JobRoomSettler, RoomForecast],
    useFactory: ({ admission }: Config, { jobRoom: room }: Adapters, settler: JobRoomSettler, forecast: RoomForecast) => {
      const { tenantJobRows, tenantJobBytes, maxJobRows, maxJobBytes } = admission;
      const limits = { tenant: { rows: tenantJobRows, bytes: tenantJobBytes }, job: { rows: maxJobRows, bytes: maxJobBytes } };
      return new JobAdmission({ room, settler, forecast, limits });
    },
  },
  {
    provide: AdmissionClock,
    inject: [JobRoomSettler, FleetSpeed, LOGGER],
    useFactory: (settler: JobRoomSettler, speed: FleetSpeed, logger: Logger) => new AdmissionClock(settler, speed, logger),
  },
];
