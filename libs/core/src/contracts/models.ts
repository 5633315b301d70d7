import { z } from 'zod';
import { epochSecondsSchema } from './primitives.js';

export const modelSchema = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: epochSecondsSchema,
    owned_by: z.string(),
    kind: z.enum(['cross-encoder', 'embedder']),
    pool: z.string(),
    max_length: z.int(),
    precision: z.enum(['int8', 'fp16', 'fp32']),
    sha256: z.string(),
    live_workers: z.int(),
    default: z.boolean().meta({ description: 'Used where a request names no model.' }),
  })
  .meta({ id: 'Model' });

export const modelListSchema = z.object({ object: z.literal('list'), data: z.array(modelSchema) }).meta({ id: 'ModelList' });

export type ModelListBody = z.infer<typeof modelListSchema>;

export const healthSchema = z
  .object({
    status: z.enum(['ok', 'error']),
    checks: z.record(z.string(), z.object({ status: z.enum(['ok', 'error']), detail: z.string().optional() })),
  })
  .meta({ id: 'Health' });
