import { corpusNameSchema, requestsPerSecondSchema } from '@rerank-fleet/core/contracts';
import { z } from 'zod';

export const reindexListQuerySchema = z.strictObject({
  corpus: corpusNameSchema.optional().meta({ description: 'Of this corpus only. Default: of all.' }),
});
export type ReindexListQuery = z.infer<typeof reindexListQuerySchema>;

/** As a number of a query comes: text. Elasticsearch says -1 for no limit. */
export const rethrottleQuerySchema = z.strictObject({
  requests_per_second: z
    .string()
    .refine((text) => isUnlimited(text) || (text.trim() !== '' && requestsPerSecondSchema.safeParse(Number(text)).success), {
      error: 'must be a number above 0 and at most 1,000,000, or "unlimited"',
    })
    .transform((text) => (isUnlimited(text) ? null : Number(text)))
    .meta({ description: 'Documents a second; `unlimited` or `-1` takes the limit away.', examples: ['200', 'unlimited'] }),
});
export type RethrottleQuery = z.infer<typeof rethrottleQuerySchema>;

function isUnlimited(text: string): boolean {
  return text === 'unlimited' || Number(text) === -1;
}
