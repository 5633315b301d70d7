export type { AdminCalls, CreateKeyParameters, ListDeadLettersOptions } from './admin-calls.js';
export { RerankApiError, RerankConnectionError, RerankTimeoutError, type RerankApiErrorOptions } from './client-errors.js';
export type { CallOptions, RetryNotice } from './http-transport.js';
export * from './job-parameters.js';
export { hasEnded, type PollOptions, type WaitOptions } from './job-wait.js';
export type { UploadProgress } from './ndjson-body.js';
export { isSettled, type ListReindexesOptions, type ReindexCalls, type ReindexParameters } from './reindex-calls.js';
export * from './rerank-client.js';
export type {
  ApiKeyBody,
  ApiKeyListBody,
  BatchJobBody,
  CorpusBody,
  CreatedKeyBody,
  DeadLetterBody,
  DeadLetterListBody,
  DocumentBody,
  DrainedQueueBody,
  IngestJobBody,
  JobBody,
  JobEstimateBody,
  JobListBody,
  JobResultLine,
  QueueBody,
  ReindexBody,
  RerankResponse,
  RetriedDeadLetterBody,
  ScalingBody,
  SearchResponse,
  WhoamiBody,
  WorkerBody,
} from '@rerank-fleet/core/contracts';
export { verifyWebhook, type VerifyWebhookOptions } from '@rerank-fleet/core/contracts';
