import { batchJobSchema, jobListSchema, jobResultLineSchema, jobSchema } from '@rerank-fleet/core/contracts';
import { z } from 'zod';
import type { Operation } from '../openapi/operation.js';
import { jobListQuerySchema, resultsQuerySchema } from './read-queries.js';

const path = z.object({ id: z.string().meta({ description: 'Id of the job.', examples: ['job_0f8fad5bd9cb469fa165706867700ab1'] }) });
const EITHER = ['jobs', 'ingest'] as const;
const SEES = 'With the scope `jobs` batches are seen, with `ingest` uploads of documents.';

/** The read side of jobs. */
export const READ_OPERATIONS: readonly Operation[] = [
  {
    method: 'get',
    path: '/v1/jobs',
    id: 'listJobs',
    tag: 'jobs',
    summary: 'List jobs, newest first',
    description: `${SEES} With \`status\` a page may hold fewer jobs than \`limit\`, and others follow as long as \`has_more\` says so.`,
    scope: EITHER,
    params: { query: jobListQuerySchema },
    answers: { 200: { description: 'A page.', schema: jobListSchema } },
    errors: ['invalid_request', 'blob_store_unavailable'],
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}',
    id: 'getJob',
    tag: 'jobs',
    summary: 'A job as it stands',
    description: SEES,
    scope: EITHER,
    params: { path },
    answers: { 200: { description: 'The job.', schema: jobSchema } },
    errors: ['job_not_found', 'blob_store_unavailable'],
  },
  {
    method: 'delete',
    path: '/v1/jobs/{id}',
    id: 'deleteJob',
    tag: 'jobs',
    summary: 'Forget a job that has ended',
    description:
      'Its requests and results go at once; otherwise they do after `JOB_RETENTION_DAYS`. A webhook that is still being tried is given up.',
    scope: EITHER,
    params: { path },
    answers: { 204: { description: 'It is gone.' } },
    errors: ['job_not_found', 'job_not_ended', 'queue_unavailable', 'blob_store_unavailable'],
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/results',
    id: 'getJobResults',
    tag: 'jobs',
    summary: 'Results of a job, also while it runs',
    description:
      'One line a request, as soon as it has ended; refused ones first. The answer holds what is there, or with `follow` goes on until all lines are given. Every line has a cursor: with `after` a later call goes on exactly behind it, whatever has happened meanwhile. Gzip where the client takes it.',
    scope: 'jobs',
    params: { path, query: resultsQuerySchema },
    answers: { 200: { description: 'Lines.', schema: jobResultLineSchema, type: 'application/x-ndjson' } },
    errors: ['invalid_request', 'job_not_found', 'queue_unavailable', 'blob_store_unavailable'],
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/events',
    id: 'getJobEvents',
    tag: 'jobs',
    summary: 'A job while it runs, as server-sent events',
    description:
      'An event `job` with the job as data: at once, then whenever something has changed, at most four times a second. The stream ends after the event of the end. A client that comes back with `Last-Event-ID` gets an event only if something has changed since.',
    scope: 'jobs',
    params: {
      path,
      header: z.object({
        'last-event-id': z.string().optional().meta({ description: 'Id of the last event that was seen. Default: none was.' }),
      }),
    },
    answers: {
      200: { description: 'Events; data is the job.', schema: batchJobSchema, type: 'text/event-stream' },
      204: { description: 'The job has ended, and the client has seen it.' },
    },
    errors: ['job_not_found', 'queue_unavailable', 'blob_store_unavailable'],
  },
];
