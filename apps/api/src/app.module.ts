import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { Config } from '@rerank-fleet/core/config';
import type { Logger } from 'pino';
import { ADMIN_CONTROLLERS, ADMIN_PROVIDERS } from './admin/admin-providers.js';
import { ADMISSION_PROVIDERS } from './admission/admission-providers.js';
import type { SyncAdmission } from './admission/sync-admission.js';
import { AdaptersModule, type Adapters } from './adapters.module.js';
import type { ApiKeyRing } from './auth/api-key-ring.js';
import type { StoredKeys } from './auth/stored-keys.js';
import { WhoamiController } from './auth/whoami.controller.js';
import { COMPAT_CONTROLLERS } from './compat/compat-controllers.js';
import { CorporaController } from './corpora/corpora.controller.js';
import { CorporaService } from './corpora/corpora.service.js';
import { DocumentsController } from './corpora/documents.controller.js';
import { DocumentsService } from './corpora/documents.service.js';
import { HealthController } from './health/health.controller.js';
import { HealthService } from './health/health.service.js';
import { ProblemFilter } from './http/problem-filter.js';
import { BATCH_PROVIDERS } from './jobs/batch-providers.js';
import { JobSubmissionController } from './jobs/job-submission.controller.js';
import { JobsController } from './jobs/jobs.controller.js';
import { READ_PROVIDERS } from './jobs/read-providers.js';
import { JobsService } from './jobs/jobs.service.js';
import { ModelsController } from './models/models.controller.js';
import { FleetView, RequestRouter } from '@rerank-fleet/core/requests';
import { ModelsService } from './models/models.service.js';
import { OPENAI_CONTROLLERS, OPENAI_PROVIDERS } from './openai-batch/openai-providers.js';
import { OpenApiController } from './openapi/openapi.controller.js';
import { ReindexController } from './reindex/reindex.controller.js';
import { ReindexService } from './reindex/reindex.service.js';
import { RerankController } from './rerank/rerank.controller.js';
import { RerankService } from './rerank/rerank.service.js';
import { ScalingController } from './scaling/scaling.controller.js';
import { ScalingService } from './scaling/scaling.service.js';
import { SearchController } from './search/search.controller.js';
import { SearchService } from './search/search.service.js';
import * as tokens from './tokens.js';

export interface AppParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly adapters: Adapters;
}

/** Who may ask what. */
export interface Authority {
  readonly ring: ApiKeyRing;
  readonly storedKeys: StoredKeys;
}

const { ADAPTERS, CONFIG, CORPORA_SERVICE, FLEET_VIEW, LOGGER, REQUEST_ROUTER } = tokens;

const SERVICES: Provider[] = [
  { provide: FLEET_VIEW, inject: [ADAPTERS], useFactory: ({ fleet }: Adapters) => new FleetView(fleet) },
  {
    provide: REQUEST_ROUTER,
    inject: [CONFIG, FLEET_VIEW],
    useFactory: ({ models }: Config, fleet: FleetView) => new RequestRouter(fleet, models.aliases),
  },
  {
    provide: tokens.RERANK_SERVICE,
    inject: [CONFIG, ADAPTERS, REQUEST_ROUTER, tokens.SYNC_ADMISSION],
    useFactory: ({ http }: Config, { dispatcher }: Adapters, router: RequestRouter, admission: SyncAdmission) =>
      new RerankService({ admission, dispatcher, router, syncTimeoutMs: http.syncTimeoutMs }),
  },
  {
    provide: tokens.SEARCH_SERVICE,
    inject: [CONFIG, ADAPTERS, REQUEST_ROUTER, tokens.SYNC_ADMISSION],
    useFactory: ({ http }: Config, adapters: Adapters, router: RequestRouter, admission: SyncAdmission) => {
      const { dispatcher, documentStore: documents } = adapters;
      return new SearchService({ admission, dispatcher, documents, router, syncTimeoutMs: http.syncTimeoutMs });
    },
  },
  {
    provide: CORPORA_SERVICE,
    inject: [CONFIG, ADAPTERS, REQUEST_ROUTER],
    useFactory: ({ http }: Config, { dispatcher, documentStore, candidateStore }: Adapters, router: RequestRouter) =>
      new CorporaService({ dispatcher, documents: documentStore, candidates: candidateStore, router, syncTimeoutMs: http.syncTimeoutMs }),
  },
  {
    provide: tokens.REINDEX_SERVICE,
    inject: [CORPORA_SERVICE, ADAPTERS],
    useFactory: (corpora: CorporaService, { documentStore: documents, now }: Adapters) => new ReindexService({ corpora, documents, now }),
  },
  {
    provide: tokens.DOCUMENTS_SERVICE,
    inject: [CORPORA_SERVICE, ADAPTERS, LOGGER],
    useFactory: (corpora: CorporaService, { documentStore, dispatcher, jobs, sequence }: Adapters, logger: Logger) =>
      new DocumentsService({ corpora, documents: documentStore, dispatcher, jobs, sequence, logger }),
  },
  { provide: tokens.JOBS_SERVICE, inject: [ADAPTERS], useFactory: ({ jobs }: Adapters) => new JobsService(jobs) },
  { provide: tokens.MODELS_SERVICE, inject: [FLEET_VIEW], useFactory: (fleet: FleetView) => new ModelsService(fleet) },
  {
    provide: tokens.SCALING_SERVICE,
    inject: [CONFIG, ADAPTERS],
    useFactory: ({ scaling: settings }: Config, { demand, fleet, queue, now }: Adapters) =>
      new ScalingService({ demand, fleet, queue, settings, now }),
  },
  {
    provide: tokens.HEALTH_SERVICE,
    inject: [ADAPTERS, LOGGER],
    useFactory: ({ pingQueue, documentStore }: Adapters, logger: Logger) =>
      new HealthService(
        { queue: pingQueue, document_store: () => documentStore.findCorpus({ tenant: 'health', corpus: 'health' }) },
        (check, error) => logger.warn({ check, err: error }, 'not ready'),
      ),
  },
];

/** The HTTP edge around whatever stands behind it. */
@Module({
  controllers: [
    RerankController,
    ...COMPAT_CONTROLLERS,
    ...OPENAI_CONTROLLERS,
    SearchController,
    CorporaController,
    DocumentsController,
    ReindexController,
    JobSubmissionController,
    JobsController,
    ModelsController,
    WhoamiController,
    ...ADMIN_CONTROLLERS,
    ScalingController,
    HealthController,
    OpenApiController,
  ],
})
export class AppModule {
  static of({ config, logger, adapters }: AppParts, { ring, storedKeys }: Authority): DynamicModule {
    return {
      module: AppModule,
      imports: [AdaptersModule.of(adapters)],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: tokens.API_KEY_RING, useValue: ring },
        { provide: tokens.STORED_KEYS, useValue: storedKeys },
        ...ADMISSION_PROVIDERS,
        ...ADMIN_PROVIDERS,
        ...BATCH_PROVIDERS,
        ...READ_PROVIDERS,
        ...OPENAI_PROVIDERS,
        ...SERVICES,
      ],
    };
  }
}
