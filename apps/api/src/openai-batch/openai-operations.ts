import {
  openAiBatchListSchema,
  openAiBatchQuerySchema,
  openAiBatchRequestSchema,
  openAiBatchResultSchema,
  openAiBatchSchema,
  openAiDeletedFileSchema,
  openAiFileFormSchema,
  openAiFileListSchema,
  openAiFileQuerySchema,
  openAiFileSchema,
} from '@rerank-fleet/core/contracts';
import type { ErrorCode } from '@rerank-fleet/core/errors';
import { z } from 'zod';
import { BODY, json, type Operation } from '../openapi/operation.js';

const filePath = z.object({ id: z.string().meta({ description: 'Id of the file.', examples: ['file-0f8fad5bd9cb469fa165706867700ab1'] }) });
const batchPath = z.object({
  id: z.string().meta({ description: 'Id of the batch.', examples: ['batch_0f8fad5bd9cb469fa165706867700ab1'] }),
});
const KEPT: readonly ErrorCode[] = ['blob_store_unavailable'];
const WRITTEN: readonly ErrorCode[] = [...KEPT, 'storage_full'];
const COMMON = { tag: 'compat', scope: 'jobs', errorForms: ['openai'] } as const;

/** Files and batches, for clients of OpenAI. */
export const OPENAI_OPERATIONS: readonly Operation[] = [
  {
    ...COMMON,
    method: 'post',
    path: '/v1/files',
    id: 'uploadFile',
    summary: 'Upload the input of a batch, for clients of OpenAI',
    description:
      'One line a request: `{"custom_id","method":"POST","url":"/v1/rerank","body":{…}}`. At most `MAX_INGEST_BYTES`; a tenant may keep `TENANT_FILES` files of `TENANT_FILE_BYTES` in all. The request may be gzip; a file that is gzip itself is refused.',
    body: { required: true, content: { 'multipart/form-data': openAiFileFormSchema } },
    answers: { 200: { description: 'The file.', schema: openAiFileSchema } },
    errors: [...BODY, ...WRITTEN, 'queue_unavailable'],
  },
  {
    ...COMMON,
    method: 'get',
    path: '/v1/files',
    id: 'listFiles',
    summary: 'List uploaded files, for clients of OpenAI',
    description: 'Output and error files of batches are not listed: the batches name them.',
    params: { query: openAiFileQuerySchema },
    answers: { 200: { description: 'A page of files.', schema: openAiFileListSchema } },
    errors: ['invalid_request', ...KEPT],
  },
  {
    ...COMMON,
    method: 'get',
    path: '/v1/files/{id}',
    id: 'getFile',
    summary: 'One file, for clients of OpenAI',
    params: { path: filePath },
    answers: { 200: { description: 'The file.', schema: openAiFileSchema } },
    errors: ['file_not_found', ...WRITTEN],
  },
  {
    ...COMMON,
    method: 'get',
    path: '/v1/files/{id}/content',
    id: 'getFileContent',
    summary: 'What a file holds, for clients of OpenAI',
    description: 'An uploaded file as it was sent; of an output or error file of a batch, one result a line.',
    params: { path: filePath },
    answers: { 200: { description: 'Lines of JSON.', schema: openAiBatchResultSchema, type: 'application/jsonl' } },
    errors: ['file_not_found', ...KEPT],
  },
  {
    ...COMMON,
    method: 'delete',
    path: '/v1/files/{id}',
    id: 'deleteFile',
    summary: 'Delete a file, for clients of OpenAI',
    description:
      'A batch that has begun does not need its input any more. Of an output or error file the results stay with the job, at `/v1/jobs`.',
    params: { path: filePath },
    answers: { 200: { description: 'It is deleted.', schema: openAiDeletedFileSchema } },
    errors: ['file_not_found', ...WRITTEN],
  },
  {
    ...COMMON,
    method: 'post',
    path: '/v1/batches',
    id: 'createBatch',
    summary: 'Submit a batch, for clients of OpenAI',
    description:
      'The file is checked after the answer. A bad line becomes a line of the error file; a file without any good line fails the batch. The batch is a job as well, with the same digits in its id. Fields that are not known are ignored and named in `X-Ignored-Fields`.',
    body: json(openAiBatchRequestSchema),
    answers: { 200: { description: 'The batch.', schema: openAiBatchSchema } },
    errors: [...BODY, 'file_not_found', ...WRITTEN],
  },
  {
    ...COMMON,
    method: 'get',
    path: '/v1/batches',
    id: 'listBatches',
    summary: 'List batches, newest first, for clients of OpenAI',
    params: { query: openAiBatchQuerySchema },
    answers: { 200: { description: 'A page of batches.', schema: openAiBatchListSchema } },
    errors: ['invalid_request', ...KEPT],
  },
  {
    ...COMMON,
    method: 'get',
    path: '/v1/batches/{id}',
    id: 'getBatch',
    summary: 'One batch, for clients of OpenAI',
    params: { path: batchPath },
    answers: { 200: { description: 'The batch.', schema: openAiBatchSchema } },
    errors: ['job_not_found', ...KEPT],
  },
  {
    ...COMMON,
    method: 'post',
    path: '/v1/batches/{id}/cancel',
    id: 'cancelBatch',
    summary: 'Cancel a batch, for clients of OpenAI',
    description: 'Lines that are done keep their results; the others end as `batch_cancelled`. A batch that has ended stays as it is.',
    params: { path: batchPath },
    answers: { 200: { description: 'The batch.', schema: openAiBatchSchema } },
    errors: ['job_not_found', 'queue_unavailable', ...WRITTEN],
  },
];
