export type { BlobLocation, FileLocation, S3Location } from './blob-location.js';
export * from './client-config.js';
export { ALL_SCOPES, FIELDS, type ApiKey, type Scope, type TracesSampler } from './fields.js';
export * from './document-config.js';
export * from './load-config.js';
export type { RetrieverConnection, RetrieverKind } from './retrievers.js';
export { Secret } from './secret.js';
export { silenceModelRuntime } from './silence-model-runtime.js';
