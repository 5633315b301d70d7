import { z } from 'zod';
import { ERROR_CODES } from '../errors/index.js';
import { epochSecondsSchema } from './primitives.js';

/** A job as clients see it. Today's jobs are ingests; batch reranking uses the same object. */
export const jobSchema = z
  .object({
    id: z.string(),
    object: z.literal('job'),
    kind: z.literal('ingest'),
    corpus: z.string(),
    status: z.enum(['queued', 'in_progress', 'completed', 'failed']),
    request_counts: z.object({ total: z.int(), processing: z.int(), succeeded: z.int(), errored: z.int() }),
    errors: z
      .array(
        z.object({
          line: z.int(),
          document_id: z.string().optional(),
          code: z.enum(ERROR_CODES as [string, ...string[]]),
          detail: z.string(),
        }),
      )
      .meta({ description: 'The first 100 documents that were not stored, and why. Lines count from 1.' }),
    created_at: epochSecondsSchema,
    completed_at: epochSecondsSchema.optional(),
    urls: z.object({ self: z.string() }),
  })
  .meta({ id: 'Job' });

export type JobBody = z.infer<typeof jobSchema>;
