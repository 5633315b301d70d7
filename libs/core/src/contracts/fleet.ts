import { z } from 'zod';

export const modelRevisionSchema = z.object({
  name: z.string(),
  kind: z.enum(['cross-encoder', 'embedder']),
  sha256: z.string(),
  maxLength: z.int(),
  precision: z.enum(['int8', 'fp16', 'fp32']),
  dimensions: z.int().optional(),
});

/** What a worker says of itself with each heartbeat. The first cross-encoder of a pool is its default. */
export const workerAnnouncementSchema = z.object({
  worker_id: z.string(),
  pool: z.string(),
  state: z.enum(['ready', 'draining']),
  device: z.string(),
  models: z.array(modelRevisionSchema),
  /** Epoch milliseconds. */
  started_at: z.number(),
  stats: z.object({ pairs_scored: z.number(), batches: z.number(), padding_waste: z.number() }).optional(),
});

export type WorkerAnnouncement = z.infer<typeof workerAnnouncementSchema>;
