import {
  apiKeyListSchema,
  createdKeySchema,
  createKeyRequestSchema,
  deadLetterListSchema,
  deadLetterQuerySchema,
  drainedQueueSchema,
  queueListSchema,
  queueSchema,
  retriedDeadLetterSchema,
  workerListSchema,
} from '@rerank-fleet/core/contracts';
import { z } from 'zod';
import { BODY, json, type Operation } from '../openapi/operation.js';

const queuePath = z.object({ queue: z.string().meta({ description: 'Name of the queue.', examples: ['sync-default'] }) });
const letterPath = z.object({ id: z.string().meta({ description: 'Id of the dead letter.' }) });
const keyPath = z.object({ id: z.string().meta({ description: 'Id of the key, not the key.' }) });
const OPERATOR = { tag: 'admin', scope: 'operator' } as const;

const QUEUES: readonly Operation[] = [
  {
    ...OPERATOR,
    method: 'get',
    path: '/v1/admin/queues',
    id: 'listQueues',
    summary: 'Queues: what waits, what is in hand, what is paused',
    answers: { 200: { description: 'Queues of each pool, then those that pools share.', schema: queueListSchema } },
    errors: ['queue_unavailable'],
  },
  {
    ...OPERATOR,
    method: 'post',
    path: '/v1/admin/queues/{queue}/pause',
    id: 'pauseQueue',
    summary: 'Pause a queue on all workers',
    description:
      'Holds until it is resumed, whatever restarts. What workers have in hand goes on. Calls that need the queue are refused with 503 `queue_paused`; jobs, uploads and webhooks are accepted, and wait.',
    params: { path: queuePath },
    answers: { 200: { description: 'The queue.', schema: queueSchema } },
    errors: ['queue_not_found', 'queue_unavailable'],
  },
  {
    ...OPERATOR,
    method: 'post',
    path: '/v1/admin/queues/{queue}/resume',
    id: 'resumeQueue',
    summary: 'Let workers take from a queue again',
    params: { path: queuePath },
    answers: { 200: { description: 'The queue.', schema: queueSchema } },
    errors: ['queue_not_found', 'queue_unavailable'],
  },
  {
    ...OPERATOR,
    method: 'post',
    path: '/v1/admin/queues/{queue}/drain',
    id: 'drainQueue',
    summary: 'Take out what waits in a queue',
    description:
      'Of a `sync` queue: each call that waits is answered with 503 `queue_drained`. Of the queue `ingest`, while it is paused: each document ends as errored with `queue_drained`; deletions that wait there to be tried again stay. What workers have in hand goes on. Queues of batch jobs and of webhooks are refused: cancel or delete their jobs.',
    params: { path: queuePath },
    answers: { 200: { description: 'The queue as it is now, and how many tasks went.', schema: drainedQueueSchema } },
    errors: ['queue_not_found', 'queue_not_drainable', 'queue_unavailable', 'blob_store_unavailable'],
  },
];

const DEAD_LETTERS: readonly Operation[] = [
  {
    ...OPERATOR,
    method: 'get',
    path: '/v1/admin/dead-letters',
    id: 'listDeadLetters',
    summary: 'Tasks that will not be tried again, newest first',
    description:
      'Slices of batch jobs and of uploads, and webhooks, of all tenants. Calls leave none. The last 10,000 of each queue are kept.',
    params: { query: deadLetterQuerySchema },
    answers: { 200: { description: 'Dead letters.', schema: deadLetterListSchema } },
    errors: ['invalid_request', 'queue_not_found', 'queue_unavailable'],
  },
  {
    ...OPERATOR,
    method: 'post',
    path: '/v1/admin/dead-letters/{id}/retry',
    id: 'retryDeadLetter',
    summary: 'Have done again what a dead letter was of',
    description:
      'A webhook is sent again. Documents of an upload that goes on are stored after all. Errored requests of a batch job that has ended become a new job (`retry_job_id`), once for all dead letters of that job. What has ended otherwise does not change: 409 says what to do.',
    params: { path: letterPath },
    answers: { 202: { description: 'It is queued.', schema: retriedDeadLetterSchema } },
    errors: [
      'dead_letter_not_found',
      'dead_letter_expired',
      'job_not_ended',
      'job_not_retryable',
      'overloaded',
      'queue_unavailable',
      'blob_store_unavailable',
    ],
  },
  {
    ...OPERATOR,
    method: 'delete',
    path: '/v1/admin/dead-letters/{id}',
    id: 'deleteDeadLetter',
    summary: 'Forget a dead letter',
    description: 'Its job has said how it ended, and does not change.',
    params: { path: letterPath },
    answers: { 204: { description: 'It is gone.' } },
    errors: ['dead_letter_not_found', 'queue_unavailable'],
  },
];

const KEYS: readonly Operation[] = [
  {
    ...OPERATOR,
    method: 'get',
    path: '/v1/admin/keys',
    id: 'listKeys',
    summary: 'API keys of all tenants',
    answers: { 200: { description: 'Those of the configuration, then the others, oldest first.', schema: apiKeyListSchema } },
    errors: ['queue_unavailable'],
  },
  {
    ...OPERATOR,
    method: 'post',
    path: '/v1/admin/keys',
    id: 'createKey',
    summary: 'Make an API key',
    description:
      'Every API process takes it at once. Only its digest is kept, in Redis. A server that answers without keys (`keys_required: false`) goes on doing so.',
    body: json(createKeyRequestSchema),
    answers: { 201: { description: 'The key, shown this once.', schema: createdKeySchema } },
    errors: [...BODY, 'queue_unavailable'],
  },
  {
    ...OPERATOR,
    method: 'delete',
    path: '/v1/admin/keys/{id}',
    id: 'deleteKey',
    summary: 'Revoke an API key',
    description: 'Every API process refuses it within a second. Jobs that it has submitted go on, as do answers that have begun.',
    params: { path: keyPath },
    answers: { 204: { description: 'It opens nothing any more.' } },
    errors: ['key_not_found', 'key_not_removable', 'queue_unavailable'],
  },
];

export const ADMIN_OPERATIONS: readonly Operation[] = [
  {
    ...OPERATOR,
    method: 'get',
    path: '/v1/admin/workers',
    id: 'listWorkers',
    summary: 'Live workers: what they hold, how they run it, and what they do',
    answers: { 200: { description: 'Workers, by pool.', schema: workerListSchema } },
    errors: ['queue_unavailable'],
  },
  ...QUEUES,
  ...DEAD_LETTERS,
  ...KEYS,
];
