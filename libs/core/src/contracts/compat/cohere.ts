import { z } from 'zod';
import { peerFields } from './peer-fields.js';

/** Body of Cohere's v2 rerank. */
export const cohereRerankRequestSchema = z
  .object({
    ...peerFields,
    top_n: z.int().min(1).optional().meta({ description: 'Our `top_n`: results returned. Default: all.' }),
    max_tokens_per_doc: z.int().min(1).default(4_096).meta({
      description:
        'Our `max_tokens_per_doc`, with our `long_document` as `chunk`: a longer document is looked at so far; what exceeds the model’s window is scored in windows, and the best counts.',
    }),
    priority: z
      .int()
      .min(0, 'must be 0 to 999')
      .max(999, 'must be 0 to 999')
      .default(0)
      .meta({ description: 'No field of ours. Lower goes first among waiting requests. Requests of the other routes have 0.' }),
  })
  .meta({
    id: 'CohereRerankRequest',
    examples: [
      {
        model: 'rerank-v3.5',
        query: 'best practices for pruning apple trees',
        documents: ['Prune in late winter …', 'Apple shares rose …'],
        top_n: 1,
      },
    ],
  });

export type CohereRerankRequest = z.infer<typeof cohereRerankRequestSchema>;

export const cohereRerankResponseSchema = z
  .object({
    id: z.string(),
    results: z.array(z.object({ index: z.int(), relevance_score: z.number() })),
    meta: z.object({
      api_version: z.object({ version: z.literal('2') }),
      billed_units: z.object({ search_units: z.int() }),
      tokens: z.object({ input_tokens: z.int() }),
    }),
  })
  .meta({ id: 'CohereRerankResponse' });

export type CohereRerankResponse = z.infer<typeof cohereRerankResponseSchema>;

export const cohereErrorSchema = z
  .object({ id: z.string().optional().meta({ description: 'The request id.' }), message: z.string() })
  .meta({ id: 'CohereError' });

export type CohereError = z.infer<typeof cohereErrorSchema>;
