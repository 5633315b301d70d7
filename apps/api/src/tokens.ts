/** Injection tokens. Vitest's transformer emits no decorator metadata, so every constructor names what it takes by `@Inject`. */
export const CONFIG = Symbol('Config');
export const LOGGER = Symbol('Logger');

export const CANDIDATE_STORE = Symbol('CandidateStore');
export const DOCUMENT_STORE = Symbol('DocumentStore');
export const DISPATCHER = Symbol('Dispatcher');
export const FLEET = Symbol('FleetSource');
export const SEQUENCE = Symbol('SequenceSource');
export const INGEST_JOBS = Symbol('IngestJobs');
export const QUEUE_PING = Symbol('QueuePing');

export const FLEET_VIEW = Symbol('FleetView');
export const CORPORA_SERVICE = Symbol('CorporaService');
export const DOCUMENTS_SERVICE = Symbol('DocumentsService');
export const HEALTH_SERVICE = Symbol('HealthService');
export const JOBS_SERVICE = Symbol('JobsService');
export const MODELS_SERVICE = Symbol('ModelsService');
export const RERANK_SERVICE = Symbol('RerankService');
export const SEARCH_SERVICE = Symbol('SearchService');
