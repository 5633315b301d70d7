import {
  batchJobSchema,
  jobEstimateSchema,
  jobHeaderLineSchema,
  jobRerankRowSchema,
  jobSearchRowSchema,
  submitJobSchema,
} from '@rerank-fleet/core/contracts';
import type { ErrorCode } from '@rerank-fleet/core/errors';
import { z } from 'zod';
import { BODY, STORED, type Operation } from '../openapi/operation.js';

const header = z.object({
  'idempotency-key': z.string().max(255).optional().meta({
    description:
      'Yours: the same key with the same body answers the same job, as long as the job is kept. With another body it is a conflict. Default: every call makes a job.',
  }),
});

const path = z.object({ id: z.string().meta({ description: 'Id of the job.', examples: ['job_0f8fad5bd9cb469fa165706867700ab1'] }) });

const ROWS = {
  required: true,
  content: {
    'application/json': submitJobSchema,
    'application/x-ndjson': z.union([jobHeaderLineSchema, jobSearchRowSchema, jobRerankRowSchema]),
  },
} as const;
const TAKEN: readonly ErrorCode[] = [...BODY, ...STORED, 'queue_unavailable', 'model_unavailable'];
const KEPT: readonly ErrorCode[] = ['blob_store_unavailable'];

/** The write side of jobs. */
export const SUBMISSION_OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/jobs',
    id: 'submitJob',
    tag: 'jobs',
    summary: 'Submit searches and reranks to be done later',
    description:
      'As JSON, at most 1,000 requests; or as NDJSON of any length, one request a line, whose first line may be `{"job": {…}}` with the options. A request with `documents` is a rerank, any other a search. The body may be gzip. A bad request becomes an errored result with its line; it does not sink the job unless `strict`.',
    scope: 'jobs',
    params: { header },
    body: ROWS,
    answers: {
      202: {
        description: 'The job is durable and will be done. `Idempotent-Replayed: true` if an earlier call made it.',
        schema: batchJobSchema,
      },
    },
    errors: [...TAKEN, ...KEPT, 'idempotency_conflict', 'storage_full'],
  },
  {
    method: 'post',
    path: '/v1/jobs/estimate',
    id: 'estimateJob',
    tag: 'jobs',
    summary: 'What a job would cost',
    description: 'Takes the bodies of a submission and checks every request; nothing is kept.',
    scope: 'jobs',
    body: ROWS,
    answers: { 200: { description: 'The estimate.', schema: jobEstimateSchema } },
    errors: TAKEN,
  },
  {
    method: 'post',
    path: '/v1/jobs/{id}/retry',
    id: 'retryJob',
    tag: 'jobs',
    summary: 'Run the errored requests of a job again, as a new job',
    description:
      'The new job has the options of the old one, which stays as it is. Requests that were refused at submission are not in it.',
    scope: 'jobs',
    params: { path, header },
    answers: { 202: { description: 'The new job.', schema: batchJobSchema } },
    errors: [...TAKEN, ...KEPT, 'job_not_found', 'job_not_retryable', 'idempotency_conflict', 'storage_full'],
  },
  {
    method: 'post',
    path: '/v1/jobs/{id}/cancel',
    id: 'cancelJob',
    tag: 'jobs',
    summary: 'End a job before its time',
    description:
      'Requests that have ended keep their results; the others end as cancelled, also those that a worker has in hand. A job that has ended stays as it is.',
    scope: 'jobs',
    params: { path },
    answers: { 200: { description: 'The job.', schema: batchJobSchema } },
    errors: [...KEPT, 'job_not_found', 'queue_unavailable', 'storage_full'],
  },
];
