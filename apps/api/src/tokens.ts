/** Injection tokens. Vitest's transformer emits no decorator metadata, so every constructor names what it takes by `@Inject`. */
export const CONFIG = Symbol('Config');
export const LOGGER = Symbol('Logger');
/** Everything behind the HTTP edge. */
export const ADAPTERS = Symbol('Adapters');

/** Batch jobs: `BatchJobs`, `BatchDispatcher` and `BatchKeeper`; the ledger and the blob store are among the adapters. */
export const BATCH_JOBS = Symbol('BatchJobs');
export const BATCH_DISPATCHER = Symbol('BatchDispatcher');
export const BATCH_KEEPER = Symbol('BatchKeeper');

export const JOB_ADMISSION = Symbol('JobAdmission');
export const SYNC_ADMISSION = Symbol('SyncAdmission');
export const FLEET_VIEW = Symbol('FleetView');
export const REQUEST_ROUTER = Symbol('RequestRouter');
export const CORPORA_SERVICE = Symbol('CorporaService');
export const DOCUMENTS_SERVICE = Symbol('DocumentsService');
export const HEALTH_SERVICE = Symbol('HealthService');
export const JOBS_SERVICE = Symbol('JobsService');
export const JOB_ACTIONS_SERVICE = Symbol('JobActionsService');
export const JOB_INTAKE = Symbol('JobIntake');
export const JOB_READS_SERVICE = Symbol('JobReadsService');
export const JOB_STREAMS_SERVICE = Symbol('JobStreamsService');
export const JOB_SUBMISSION_SERVICE = Symbol('JobSubmissionService');
export const JOB_VIEW = Symbol('JobView');
export const JOB_WATCH = Symbol('JobWatch');
export const MODELS_SERVICE = Symbol('ModelsService');
export const OPENAI_BATCHES_SERVICE = Symbol('OpenAiBatchesService');
export const OPENAI_FILES_SERVICE = Symbol('OpenAiFilesService');
export const API_KEY_RING = Symbol('ApiKeyRing');
export const STORED_KEYS = Symbol('StoredKeys');
export const DEAD_LETTERS_SERVICE = Symbol('DeadLettersService');
export const KEYS_SERVICE = Symbol('KeysService');
export const QUEUES_SERVICE = Symbol('QueuesService');
/** What `retryDeadLetter` works with. */
export const RETRY_PARTS = Symbol('RetryParts');
export const WORKERS_SERVICE = Symbol('WorkersService');
export const REINDEX_SERVICE = Symbol('ReindexService');
export const RERANK_SERVICE = Symbol('RerankService');
export const SCALING_SERVICE = Symbol('ScalingService');
export const SEARCH_SERVICE = Symbol('SearchService');
