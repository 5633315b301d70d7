import { z } from 'zod';

export const ingestQuerySchema = z.strictObject({
  wait: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .meta({ description: 'Answer when the job is done (200), or with the job as it stands when the time is over (202).' }),
});

export const documentPageQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(100).meta({ description: 'Most documents of a page.' }),
  after: z.string().min(1).max(4_000).optional().meta({ description: '`next` of the page before. Default: the first page.' }),
});
export type DocumentPageQuery = z.infer<typeof documentPageQuerySchema>;
