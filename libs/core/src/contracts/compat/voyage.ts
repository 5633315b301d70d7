import { z } from 'zod';
import { peerFields } from './peer-fields.js';

/** Body of Voyage's rerank. */
export const voyageRerankRequestSchema = z
  .object({
    ...peerFields,
    top_k: z.int().min(1).optional().meta({ description: 'Our `top_n`: results returned. Default: all.' }),
    return_documents: z.boolean().default(false).meta({ description: 'Our `return_documents`; a document comes back as a string.' }),
    truncation: z.boolean().default(true).meta({
      description:
        'Our `long_document`: true is `truncate`; false is `error`, which refuses a document that does not fit the window beside the query.',
    }),
  })
  .meta({
    id: 'VoyageRerankRequest',
    examples: [
      {
        model: 'rerank-2.5',
        query: 'best practices for pruning apple trees',
        documents: ['Prune in late winter …', 'Apple shares rose …'],
        top_k: 1,
      },
    ],
  });

export type VoyageRerankRequest = z.infer<typeof voyageRerankRequestSchema>;

export const voyageRerankResponseSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(z.object({ index: z.int(), relevance_score: z.number(), document: z.string().optional() })),
    model: z.string(),
    usage: z.object({ total_tokens: z.int() }),
  })
  .meta({ id: 'VoyageRerankResponse' });

export type VoyageRerankResponse = z.infer<typeof voyageRerankResponseSchema>;

export const voyageErrorSchema = z.object({ detail: z.string() }).meta({ id: 'VoyageError' });

export type VoyageError = z.infer<typeof voyageErrorSchema>;
