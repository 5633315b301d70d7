import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { Config } from '@rerank-fleet/core/config';
import type { IngestJobs } from '@rerank-fleet/core/jobs';
import type { CandidateStore, DocumentStore } from '@rerank-fleet/core/ports';
import type { Logger } from 'pino';
import { AdaptersModule, type Adapters } from './adapters.module.js';
import { CorporaController } from './corpora/corpora.controller.js';
import { CorporaService } from './corpora/corpora.service.js';
import { DocumentsController } from './corpora/documents.controller.js';
import { DocumentsService } from './corpora/documents.service.js';
import type { TaskDispatcher } from './dispatch/task-dispatcher.js';
import { HealthController } from './health/health.controller.js';
import { HealthService } from './health/health.service.js';
import { ProblemFilter } from './http/problem-filter.js';
import { JobsController } from './jobs/jobs.controller.js';
import { JobsService } from './jobs/jobs.service.js';
import { FleetView, type FleetSource } from './models/fleet-view.js';
import { ModelsController } from './models/models.controller.js';
import { ModelsService } from './models/models.service.js';
import { OpenApiController } from './openapi/openapi.controller.js';
import { RerankController } from './rerank/rerank.controller.js';
import { RerankService } from './rerank/rerank.service.js';
import { SearchController } from './search/search.controller.js';
import { SearchService } from './search/search.service.js';
import * as tokens from './tokens.js';

export interface AppParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly adapters: Adapters;
}

const SERVICES: Provider[] = [
  { provide: tokens.FLEET_VIEW, inject: [tokens.FLEET], useFactory: (fleet: FleetSource) => new FleetView(fleet) },
  {
    provide: tokens.RERANK_SERVICE,
    inject: [tokens.CONFIG, tokens.DISPATCHER, tokens.FLEET_VIEW],
    useFactory: (config: Config, dispatcher: TaskDispatcher, fleet: FleetView) =>
      new RerankService({ dispatcher, fleet, syncTimeoutMs: config.http.syncTimeoutMs, aliases: config.models.aliases }),
  },
  {
    provide: tokens.SEARCH_SERVICE,
    inject: [tokens.CONFIG, tokens.DISPATCHER, tokens.FLEET_VIEW, tokens.DOCUMENT_STORE],
    useFactory: (config: Config, dispatcher: TaskDispatcher, fleet: FleetView, documents: DocumentStore) =>
      new SearchService({
        dispatcher,
        documents,
        fleet,
        settings: { syncTimeoutMs: config.http.syncTimeoutMs, aliases: config.models.aliases },
      }),
  },
  {
    provide: tokens.CORPORA_SERVICE,
    inject: [tokens.CONFIG, tokens.DISPATCHER, tokens.FLEET_VIEW, tokens.DOCUMENT_STORE, tokens.CANDIDATE_STORE],
    useFactory: (config: Config, dispatcher: TaskDispatcher, fleet: FleetView, documents: DocumentStore, candidates: CandidateStore) =>
      new CorporaService({ dispatcher, documents, candidates, fleet, syncTimeoutMs: config.http.syncTimeoutMs }),
  },
  {
    provide: tokens.DOCUMENTS_SERVICE,
    inject: [tokens.CORPORA_SERVICE, tokens.DOCUMENT_STORE, tokens.DISPATCHER, tokens.INGEST_JOBS, tokens.SEQUENCE, tokens.LOGGER],
    useFactory: (
      corpora: CorporaService,
      documents: DocumentStore,
      dispatcher: TaskDispatcher,
      jobs: IngestJobs,
      ...rest: [Adapters['sequence'], Logger]
    ) => new DocumentsService({ corpora, documents, dispatcher, jobs, sequence: rest[0], logger: rest[1] }),
  },
  { provide: tokens.JOBS_SERVICE, inject: [tokens.INGEST_JOBS], useFactory: (jobs: IngestJobs) => new JobsService(jobs) },
  { provide: tokens.MODELS_SERVICE, inject: [tokens.FLEET_VIEW], useFactory: (fleet: FleetView) => new ModelsService(fleet) },
  {
    provide: tokens.HEALTH_SERVICE,
    inject: [tokens.QUEUE_PING, tokens.DOCUMENT_STORE, tokens.LOGGER],
    useFactory: (pingQueue: Adapters['pingQueue'], documents: DocumentStore, logger: Logger) =>
      new HealthService(
        { queue: pingQueue, document_store: () => documents.findCorpus({ tenant: 'health', corpus: 'health' }) },
        (check, error) => logger.warn({ check, err: error }, 'not ready'),
      ),
  },
];

/** The HTTP edge around whatever stands behind it. */
@Module({
  controllers: [
    RerankController,
    SearchController,
    CorporaController,
    DocumentsController,
    JobsController,
    ModelsController,
    HealthController,
    OpenApiController,
  ],
})
export class AppModule {
  static of({ config, logger, adapters }: AppParts): DynamicModule {
    return {
      module: AppModule,
      imports: [AdaptersModule.of(adapters)],
      providers: [
        { provide: tokens.CONFIG, useValue: config },
        { provide: tokens.LOGGER, useValue: logger },
        { provide: APP_FILTER, useClass: ProblemFilter },
        ...SERVICES,
      ],
    };
  }
}
