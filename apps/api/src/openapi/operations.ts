import type { Scope } from '@rerank-fleet/core/config';
import {
  corpusListSchema,
  corpusNameSchema,
  corpusSchema,
  corpusSettingsSchema,
  deletedSchema,
  deleteDocumentsRequestSchema,
  documentIdSchema,
  documentSchema,
  healthSchema,
  ingestRequestSchema,
  jobSchema,
  modelListSchema,
  rerankRequestSchema,
  rerankResponseSchema,
  searchRequestSchema,
  searchResponseSchema,
  storedDocumentSchema,
} from '@rerank-fleet/core/contracts';
import type { ErrorCode } from '@rerank-fleet/core/errors';
import { z } from 'zod';
import { ingestQuerySchema } from '../corpora/ingest-query.js';

/** A route as it is documented. Schemas are those that validate. */
export interface Operation {
  readonly method: 'get' | 'put' | 'post' | 'delete';
  /** OpenAPI's spelling: `/v1/corpora/{name}`. */
  readonly path: string;
  readonly id: string;
  readonly tag: 'rerank' | 'search' | 'corpora' | 'jobs' | 'models' | 'health';
  readonly summary: string;
  readonly description?: string;
  /** Absent: open to all. */
  readonly scope?: Scope;
  readonly params?: { readonly path?: z.ZodObject; readonly query?: z.ZodObject };
  readonly body?: { readonly required: boolean; readonly content: Readonly<Record<string, z.ZodType>> };
  readonly answers: Readonly<Record<number, { readonly description: string; readonly schema?: z.ZodType }>>;
  /** Errors of the route itself; those of every route are added. */
  readonly errors: readonly ErrorCode[];
}

const QUEUED: readonly ErrorCode[] = ['queue_unavailable', 'deadline_exceeded', 'model_unavailable'];
const BODY: readonly ErrorCode[] = ['invalid_request', 'payload_too_large', 'unsupported_media_type'];
const SCORED: readonly ErrorCode[] = ['model_not_found', 'query_too_long', 'pair_too_long', 'score_not_finite'];
const STORED: readonly ErrorCode[] = ['candidate_store_unavailable'];

const json = (schema: z.ZodType, required = true): NonNullable<Operation['body']> => ({
  required,
  content: { 'application/json': schema },
});
const corpusPath = z.object({ name: corpusNameSchema });
const documentPath = corpusPath.extend({ id: documentIdSchema.meta({ description: 'Id of the document, percent-encoded.' }) });

export const OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/rerank',
    id: 'rerank',
    tag: 'rerank',
    summary: 'Order documents by their relevance to a query',
    description:
      'Takes the bodies of Jina, vLLM, LiteLLM and Cohere v1 clients. Fields that are not known are ignored and named in `X-Ignored-Fields`; null stands for a field that is left out. Best first; equal scores keep the order of the request.',
    scope: 'search',
    body: json(rerankRequestSchema),
    answers: { 200: { description: 'Results, best first.', schema: rerankResponseSchema } },
    errors: [...BODY, ...SCORED, ...QUEUED, 'too_many_documents'],
  },
  {
    method: 'post',
    path: '/v1/search',
    id: 'search',
    tag: 'search',
    summary: 'Search a corpus and rerank what is found',
    scope: 'search',
    body: json(searchRequestSchema),
    answers: { 200: { description: 'Results, best first.', schema: searchResponseSchema } },
    errors: [...BODY, ...SCORED, ...QUEUED, ...STORED, 'corpus_not_found', 'too_many_candidates'],
  },
  {
    method: 'get',
    path: '/v1/corpora',
    id: 'listCorpora',
    tag: 'corpora',
    summary: 'List corpora, by name',
    scope: 'search',
    answers: { 200: { description: 'The corpora of the tenant.', schema: corpusListSchema } },
    errors: STORED,
  },
  {
    method: 'put',
    path: '/v1/corpora/{name}',
    id: 'putCorpus',
    tag: 'corpora',
    summary: 'Make a corpus, or change its settings',
    scope: 'admin',
    params: { path: corpusPath },
    body: json(corpusSettingsSchema, false),
    answers: {
      200: { description: 'The corpus was there; its settings are as asked.', schema: corpusSchema },
      201: { description: 'The corpus is new.', schema: corpusSchema },
    },
    errors: [...BODY, ...QUEUED, ...STORED, 'model_not_found', 'reindex_required', 'storage_full'],
  },
  {
    method: 'get',
    path: '/v1/corpora/{name}',
    id: 'getCorpus',
    tag: 'corpora',
    summary: 'Settings, versions and counts of a corpus',
    scope: 'search',
    params: { path: corpusPath },
    answers: { 200: { description: 'The corpus.', schema: corpusSchema } },
    errors: [...STORED, 'corpus_not_found'],
  },
  {
    method: 'delete',
    path: '/v1/corpora/{name}',
    id: 'deleteCorpus',
    tag: 'corpora',
    summary: 'Delete a corpus with all its documents',
    scope: 'admin',
    params: { path: corpusPath },
    answers: { 204: { description: 'It is gone.' } },
    errors: [...QUEUED, ...STORED, 'corpus_not_found'],
  },
  {
    method: 'post',
    path: '/v1/corpora/{name}/documents',
    id: 'ingestDocuments',
    tag: 'corpora',
    summary: 'Put documents in',
    description:
      'A JSON body is taken as a whole or refused. An NDJSON body, one document a line, may be of any length; lines that are no document are rejected rows of the job. A document replaces the one that has its id. The body may be gzip.',
    scope: 'ingest',
    params: { path: corpusPath, query: ingestQuerySchema },
    body: { required: true, content: { 'application/json': ingestRequestSchema, 'application/x-ndjson': documentSchema } },
    answers: {
      200: { description: 'With `wait=true`: the job, done.', schema: jobSchema },
      202: { description: 'The job is durable and will be done.', schema: jobSchema },
    },
    errors: [...BODY, ...STORED, 'corpus_not_found', 'queue_unavailable', 'storage_full'],
  },
  {
    method: 'get',
    path: '/v1/corpora/{name}/documents/{id}',
    id: 'getDocument',
    tag: 'corpora',
    summary: 'Read a document',
    scope: 'search',
    params: { path: documentPath },
    answers: { 200: { description: 'The document as it is stored.', schema: storedDocumentSchema } },
    errors: [...STORED, 'corpus_not_found', 'document_not_found'],
  },
  {
    method: 'delete',
    path: '/v1/corpora/{name}/documents/{id}',
    id: 'deleteDocument',
    tag: 'corpora',
    summary: 'Delete a document',
    scope: 'ingest',
    params: { path: documentPath },
    answers: { 204: { description: 'It is gone.' } },
    errors: [...QUEUED, ...STORED, 'corpus_not_found', 'document_not_found'],
  },
  {
    method: 'post',
    path: '/v1/corpora/{name}/documents/delete',
    id: 'deleteDocuments',
    tag: 'corpora',
    summary: 'Delete documents by id or by filter',
    scope: 'ingest',
    params: { path: corpusPath },
    body: json(deleteDocumentsRequestSchema),
    answers: { 200: { description: 'How many went.', schema: deletedSchema } },
    errors: [...BODY, ...QUEUED, ...STORED, 'corpus_not_found'],
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}',
    id: 'getJob',
    tag: 'jobs',
    summary: 'A job as it stands',
    scope: 'ingest',
    params: {
      path: z.object({ id: z.string().meta({ description: 'Id of the job.', examples: ['job_0f8fad5bd9cb469fa165706867700ab1'] }) }),
    },
    answers: { 200: { description: 'The job.', schema: jobSchema } },
    errors: ['job_not_found'],
  },
  {
    method: 'get',
    path: '/v1/models',
    id: 'listModels',
    tag: 'models',
    summary: 'Models that workers hold, and those of pools that sleep',
    scope: 'search',
    answers: { 200: { description: 'Models.', schema: modelListSchema } },
    errors: ['queue_unavailable'],
  },
  {
    method: 'get',
    path: '/health/live',
    id: 'live',
    tag: 'health',
    summary: 'Whether the process answers',
    answers: { 200: { description: 'It does.', schema: healthSchema } },
    errors: [],
  },
  {
    method: 'get',
    path: '/health/ready',
    id: 'ready',
    tag: 'health',
    summary: 'Whether the process can take requests',
    description: 'Looks at the queue and the document store. Workers are not asked: a call without one waits until its deadline.',
    answers: { 200: { description: 'It can.', schema: healthSchema }, 503: { description: 'It cannot now.', schema: healthSchema } },
    errors: [],
  },
];
