import { z } from 'zod';
import { modelNameSchema, nonBlankTextSchema, querySchema } from '../primitives.js';

/** Fields of a rerank that Cohere's and Voyage's bodies have alike. */
export const peerFields = {
  model: modelNameSchema.optional().meta({
    description: 'Our `model`: a name of GET /v1/models, or an alias of MODEL_ALIASES. Default: the first reranker of the default pool.',
  }),
  query: querySchema.meta({ description: 'Our `query`. At most 32,768 characters.' }),
  documents: z
    .array(nonBlankTextSchema)
    .min(1, 'must hold at least one document')
    .meta({ description: 'Our `documents`, as strings. At most MAX_DOCUMENTS.' }),
};
