import { z } from 'zod';
import { engineSchema, modelRevisionSchema } from './fleet.js';

export const workerSchema = z
  .object({
    id: z.string(),
    pool: z.string(),
    state: z.enum(['ready', 'draining']),
    device: z.string().meta({ description: 'Execution provider.', examples: ['cpu'] }),
    models: z.array(
      z.object({
        id: z.string(),
        kind: modelRevisionSchema.shape.kind,
        precision: modelRevisionSchema.shape.precision,
        sha256: z.string(),
        max_length: z.int(),
      }),
    ),
    engine: engineSchema.optional(),
    started_at: z.number().meta({ description: 'Epoch seconds.' }),
    heartbeat_age_ms: z.number().optional().meta({ description: 'Since its last heartbeat; after 15 s it is taken for dead.' }),
    rss_bytes: z.number().optional(),
    pairs_scored: z.number().optional(),
    pairs_per_s: z.number().optional().meta({ description: 'Over about the last half minute.' }),
    pairs_waiting: z.number().optional(),
    batches: z.number().optional(),
    batch_fill: z.number().optional().meta({ description: 'Padded tokens ÷ budget, over all batches.' }),
    padding_waste: z.number().optional().meta({ description: 'Padding ÷ padded tokens, over all batches.' }),
    cache_hit_rate: z.number().optional().meta({ description: 'Of the pairs that were looked for in the score cache.' }),
  })
  .meta({ id: 'Worker' });

export const workerListSchema = z.object({ object: z.literal('list'), data: z.array(workerSchema) }).meta({ id: 'WorkerList' });

export type WorkerBody = z.infer<typeof workerSchema>;
export type WorkerListBody = z.infer<typeof workerListSchema>;

export const scalingQuerySchema = z.strictObject({
  pool: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be the name of a pool')
    .default('default')
    .meta({ description: 'Name of the pool, as workers have it in WORKER_POOL.' }),
});

/** What an autoscaler reads of a pool. */
export const scalingSchema = z
  .object({
    pool: z.string(),
    outstanding_tokens: z
      .int()
      .meta({ description: 'Estimated tokens that wait or are in hand: of calls, of open batch jobs, of uploads.' }),
    oldest_age_s: z
      .number()
      .meta({ description: 'How long the task that goes next has waited, of all queues of the pool; 0 where none waits.' }),
    live_workers: z.int().meta({ description: 'Workers that take tasks.' }),
    desired_workers: z.int().meta({ description: 'Workers that the pool needs; 0 when nothing has been asked of it for a while.' }),
  })
  .meta({ id: 'Scaling' });

export type ScalingBody = z.infer<typeof scalingSchema>;
