import {
  cohereRerankRequestSchema,
  cohereRerankResponseSchema,
  rerankRequestSchema,
  rerankResponseSchema,
  teiInfoSchema,
  teiRerankRequestSchema,
  teiRerankResponseSchema,
  voyageRerankRequestSchema,
  voyageRerankResponseSchema,
} from '@rerank-fleet/core/contracts';
import { z } from 'zod';
import { BODY, json, QUEUED, SCORED, type Operation } from '../openapi/operation.js';

const IGNORED = 'Fields that are not known are ignored and named in `X-Ignored-Fields`; null stands for a field that is left out.';
const ERRORS: Operation['errors'] = [...BODY, ...SCORED, ...QUEUED, 'too_many_documents'];

/** Routes that clients of other services call, with those services' bodies and errors. */
export const COMPAT_OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v2/rerank',
    id: 'rerankAsCohere',
    tag: 'compat',
    summary: 'Rerank, for clients of Cohere v2',
    description: `Long documents are scored in windows. Documents are never in the answer. ${IGNORED}`,
    scope: 'search',
    body: json(cohereRerankRequestSchema),
    answers: { 200: { description: 'Results, best first.', schema: cohereRerankResponseSchema } },
    metered: true,
    errors: ERRORS,
    errorForms: ['cohere'],
  },
  {
    method: 'post',
    path: '/rerank',
    id: 'rerankAtRoot',
    tag: 'compat',
    summary: 'Rerank, for clients of Text Embeddings Inference, and another name of /v1/rerank',
    description: `A body with \`texts\` is Text Embeddings Inference’s: the answer is a list, errors have its form, and an empty \`texts\` is 400 \`Empty\`. Any other is that of \`/v1/rerank\`. ${IGNORED}`,
    scope: 'search',
    body: json(z.union([rerankRequestSchema, teiRerankRequestSchema])),
    answers: { 200: { description: 'Results, best first.', schema: z.union([rerankResponseSchema, teiRerankResponseSchema]) } },
    metered: true,
    errors: ERRORS,
    errorForms: ['problem', 'tei'],
  },
  {
    method: 'get',
    path: '/info',
    id: 'infoAsTei',
    tag: 'compat',
    summary: 'The default reranker, for clients of Text Embeddings Inference',
    scope: 'search',
    answers: { 200: { description: 'What a server of that kind tells of itself.', schema: teiInfoSchema } },
    errors: ['queue_unavailable', 'model_unavailable'],
    errorForms: ['tei'],
  },
  {
    method: 'post',
    path: '/v1/voyage/rerank',
    id: 'rerankAsVoyage',
    tag: 'compat',
    summary: 'Rerank, for clients of Voyage',
    description: `The base URL of a client is \`…/v1/voyage\`. ${IGNORED}`,
    scope: 'search',
    body: json(voyageRerankRequestSchema),
    answers: { 200: { description: 'Results, best first.', schema: voyageRerankResponseSchema } },
    metered: true,
    errors: ERRORS,
    errorForms: ['voyage'],
  },
];
