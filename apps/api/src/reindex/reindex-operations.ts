import { corpusNameSchema, reindexListSchema, reindexRequestSchema, reindexSchema } from '@rerank-fleet/core/contracts';
import { z } from 'zod';
import { BODY, json, QUEUED, STORED, type Operation } from '../openapi/operation.js';
import { reindexListQuerySchema, rethrottleQuerySchema } from './reindex-queries.js';

const path = z.object({ id: z.string().meta({ description: 'Id of the reindex.', examples: ['rx_0f8fad5bd9cb469fa165706867700ab1'] }) });
const REINDEX = { description: 'The reindex.', schema: reindexSchema } as const;

function control(
  action: 'rethrottle' | 'cancel' | 'promote' | 'rollback',
  texts: Pick<Operation, 'summary' | 'description'>,
  errors: Operation['errors'],
): Operation {
  return {
    method: 'post',
    path: `/v1/admin/reindex/{id}/${action}`,
    id: `${action}Reindex`,
    tag: 'admin',
    ...texts,
    scope: 'admin',
    params: { path, ...(action === 'rethrottle' ? { query: rethrottleQuerySchema } : {}) },
    answers: { 200: REINDEX },
    errors: [...QUEUED, ...STORED, 'job_not_found', ...errors],
  };
}

export const REINDEX_OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/admin/corpora/{name}/reindex',
    id: 'startReindex',
    tag: 'admin',
    summary: 'Build a new index of a corpus beside the one in use',
    description:
      'The corpus takes searches and writes meanwhile. When the new index is whole and has passed its checks, it takes the place of the old one in one step, or waits to be promoted. One at a time a corpus.',
    scope: 'admin',
    params: { path: z.object({ name: corpusNameSchema }) },
    body: json(reindexRequestSchema, false),
    answers: { 202: { description: 'It is begun, and goes on whatever process dies.', schema: reindexSchema } },
    errors: [...BODY, ...QUEUED, ...STORED, 'corpus_not_found', 'model_not_found', 'reindex_in_progress', 'storage_full'],
  },
  {
    method: 'get',
    path: '/v1/admin/reindex',
    id: 'listReindexes',
    tag: 'admin',
    summary: 'Reindexes, newest first',
    description: 'The one that is open and the last ten that have ended, of each corpus.',
    scope: 'admin',
    params: { query: reindexListQuerySchema },
    answers: { 200: { description: 'Reindexes.', schema: reindexListSchema } },
    errors: [...STORED, 'invalid_request', 'corpus_not_found'],
  },
  {
    method: 'get',
    path: '/v1/admin/reindex/{id}',
    id: 'getReindex',
    tag: 'admin',
    summary: 'A reindex as it stands',
    scope: 'admin',
    params: { path },
    answers: { 200: REINDEX },
    errors: [...STORED, 'job_not_found'],
  },
  control('rethrottle', { summary: 'Change the speed of a reindex', description: 'Holds from the next page of documents on.' }, [
    'invalid_request',
  ]),
  control(
    'cancel',
    { summary: 'End a reindex without a promotion', description: 'The new index is dropped. One that has ended stays as it is.' },
    [],
  ),
  control(
    'promote',
    {
      summary: 'Put the new index in use',
      description: 'Of a reindex that waits for it. Searches that have begun end on the old index, which is kept for a rollback.',
    },
    ['invalid_request', 'reindex_in_progress'],
  ),
  control(
    'rollback',
    {
      summary: 'Put the index before in use again',
      description: 'As long as it is kept. It took all writes since, so that nothing is lost.',
    },
    ['invalid_request', 'reindex_in_progress'],
  ),
];
