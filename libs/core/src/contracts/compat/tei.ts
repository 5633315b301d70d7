import { z } from 'zod';
import { nonBlankTextSchema, querySchema } from '../primitives.js';

const DIRECTION = 'must be "right": texts are cut at their end; "left" is not supported';

/** Body of Text Embeddings Inference's rerank. It names no model: the first reranker of the default pool scores. */
export const teiRerankRequestSchema = z
  .object({
    query: querySchema.meta({ description: 'Our `query`. At most 32,768 characters.' }),
    texts: z
      .array(nonBlankTextSchema)
      .min(1, 'must hold at least one text')
      .meta({ description: 'Our `documents`, as strings. At most MAX_DOCUMENTS. None is 400 `Empty`.' }),
    truncate: z.boolean().default(true).meta({
      description:
        'Our `long_document`: true is `truncate`; false is `error`, which refuses a text that does not fit the window beside the query.',
    }),
    truncation_direction: z
      .enum(['right', 'Right'], DIRECTION)
      .optional()
      .meta({ description: 'No field of ours. Texts are cut at their end; `left` is refused. Default: `right`.' }),
    raw_scores: z.boolean().default(false).meta({ description: 'Our `raw_scores`: score is the logit instead of its sigmoid.' }),
    return_text: z.boolean().default(false).meta({ description: 'Our `return_documents`: each result has its text.' }),
  })
  .meta({
    id: 'TeiRerankRequest',
    examples: [
      { query: 'best practices for pruning apple trees', texts: ['Prune in late winter …', 'Apple shares rose …'], raw_scores: false },
    ],
  });

export type TeiRerankRequest = z.infer<typeof teiRerankRequestSchema>;

export const teiRerankResponseSchema = z
  .array(z.object({ index: z.int(), score: z.number(), text: z.string().optional() }))
  .meta({ id: 'TeiRerankResponse', description: 'Best first.' });

export type TeiRerankResponse = z.infer<typeof teiRerankResponseSchema>;

/** What Text Embeddings Inference tells of itself; fields of its process that a fleet has no one value for are left out. */
export const teiInfoSchema = z
  .object({
    model_id: z.string(),
    model_sha: z.string().meta({ description: 'sha256 of the model file.' }),
    model_dtype: z.enum(['int8', 'float16', 'float32']),
    model_type: z.object({
      reranker: z.object({ id2label: z.record(z.string(), z.string()), label2id: z.record(z.string(), z.int()) }),
    }),
    max_input_length: z.int().meta({ description: 'Tokens of a pair.' }),
    max_client_batch_size: z.int().meta({ description: 'Texts of one call.' }),
    auto_truncate: z.boolean().meta({ description: 'What `truncate` is where a request does not say.' }),
    version: z.string(),
  })
  .meta({ id: 'TeiInfo' });

export type TeiInfo = z.infer<typeof teiInfoSchema>;

export const teiErrorSchema = z
  .object({
    error: z.string(),
    error_type: z.enum(['Unhealthy', 'Backend', 'Overloaded', 'Validation', 'Tokenizer', 'Empty']).meta({
      description: 'Texts that are too long are `Validation`, as there; `Tokenizer`, its word for a tokenizer that failed, is never sent.',
    }),
  })
  .meta({ id: 'TeiError' });

export type TeiError = z.infer<typeof teiErrorSchema>;
