/** Injection tokens. Vitest's transformer emits no decorator metadata, so every constructor names what it takes by `@Inject`. */
export const CONFIG = Symbol('Config');
export const LOGGER = Symbol('Logger');
/** Everything behind the HTTP edge. */
export const ADAPTERS = Symbol('Adapters');

export const FLEET_VIEW = Symbol('FleetView');
export const REQUEST_ROUTER = Symbol('RequestRouter');
export const CORPORA_SERVICE = Symbol('CorporaService');
export const DOCUMENTS_SERVICE = Symbol('DocumentsService');
export const HEALTH_SERVICE = Symbol('HealthService');
export const JOBS_SERVICE = Symbol('JobsService');
export const MODELS_SERVICE = Symbol('ModelsService');
export const RERANK_SERVICE = Symbol('RerankService');
export const SEARCH_SERVICE = Symbol('SearchService');
