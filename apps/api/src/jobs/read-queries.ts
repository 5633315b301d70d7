import { BATCH_JOB_STATUSES, ROW_STATUSES } from '@rerank-fleet/core/contracts';
import { RESULT_ORDERS } from '@rerank-fleet/core/jobs';
import { z } from 'zod';

export const jobListQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(20).meta({ description: 'Most jobs of a page.' }),
  after: z
    .string()
    .regex(/^job_[0-9a-f]{32}$/, 'must be what `next` of a page was')
    .optional()
    .meta({ description: '`next` of the page before. Default: the newest.' }),
  kind: z
    .enum(['batch', 'ingest'])
    .optional()
    .meta({ description: 'Only `batch` jobs, or only uploads of documents (`ingest`). Default: those that the key may see.' }),
  status: z.enum(BATCH_JOB_STATUSES).optional().meta({ description: 'Only jobs of this status. Default: all.' }),
});

export const resultsQuerySchema = z.strictObject({
  after: z.string().optional().meta({ description: '`cursor` of a line: goes on exactly behind it. Default: from the first.' }),
  order: z.enum(RESULT_ORDERS).default('completion').meta({
    description:
      '`completion`: what is done, as soon as it is. `submission`: by row, up to the first that is not done. A cursor is good for the order it was given in.',
  }),
  follow: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .meta({
      description:
        'Go on until all lines are given, instead of ending with what is there. An empty line every 15 seconds keeps the connection.',
    }),
  status: z.enum(ROW_STATUSES).optional().meta({ description: 'Only lines of this status. Default: all.' }),
});

export type JobListQuery = z.infer<typeof jobListQuerySchema>;
export type ResultsQuery = z.infer<typeof resultsQuerySchema>;
