export { RerankApiError, RerankConnectionError, RerankTimeoutError, type RerankApiErrorOptions } from './client-errors.js';
export type { CallOptions, RetryNotice } from './http-transport.js';
export * from './job-parameters.js';
export { hasEnded, type PollOptions, type WaitOptions } from './job-wait.js';
export type { UploadProgress } from './ndjson-body.js';
export { isSettled, type ListReindexesOptions, type ReindexCalls, type ReindexParameters } from './reindex-calls.js';
export * from './rerank-client.js';
export type {
  BatchJobBody,
  CorpusBody,
  DocumentBody,
  IngestJobBody,
  JobBody,
  JobEstimateBody,
  JobResultLine,
  ReindexBody,
  RerankResponse,
  SearchResponse,
  WorkerBody,
} from '@rerank-fleet/core/contracts';
export { verifyWebhook, type VerifyWebhookOptions } from '@rerank-fleet/core/contracts';
