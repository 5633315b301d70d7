import { z } from 'zod';
import { ingestOutcomeSchema } from '../contracts/index.js';

const rowErrorSchema = ingestOutcomeSchema.shape.errors.element;
export type RowError = z.infer<typeof rowErrorSchema>;

/** `job.json` of an upload. */
export const ingestJobRecordSchema = z.object({
  id: z.string(),
  tenant: z.string(),
  corpus: z.string(),
  corpus_id: z.string(),
  created_ms: z.number(),
  total: z.int(),
  rejected: z.int(),
  errors: z.array(rowErrorSchema),
  slices: z.array(z.object({ seq: z.number(), documents: z.int() })),
});

export type IngestJobRecord = z.infer<typeof ingestJobRecordSchema>;
