import { auth, http, logging, operators, ops, streams, web } from './fields/service-fields.js';
import { redis, retrievers, state, stores } from './fields/storage-fields.js';
import { models } from './fields/model-fields.js';
import { tracing } from './fields/tracing-fields.js';
import { worker } from './fields/worker-fields.js';
import { admission, jobs, scaling, webhooks } from './fields/work-fields.js';

export { apiKeySchema, ALL_SCOPES, type ApiKey, type Scope } from './api-keys.js';
export type { Field } from './fields/field.js';
export type { TracesSampler } from './fields/tracing-fields.js';

/** Every setting, by section. */
export const FIELDS = {
  http,
  streams,
  auth,
  operators,
  web,
  redis,
  ops,
  state,
  stores,
  retrievers,
  models,
  worker,
  jobs,
  admission,
  scaling,
  webhooks,
  logging,
  tracing,
} as const;
