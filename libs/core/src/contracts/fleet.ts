import { z } from 'zod';

export const modelRevisionSchema = z.object({
  name: z.string(),
  kind: z.enum(['cross-encoder', 'embedder']),
  sha256: z.string(),
  maxLength: z.int(),
  precision: z.enum(['int8', 'fp16', 'fp32']),
  dimensions: z.int().optional(),
});

/** Layers of a segment, the first and the last, counted from 1: `3-4`. */
const layersSchema = z.string();

/** How a worker runs its models. */
export const engineSchema = z.object({
  /** Padded tokens of a batch of the default reranker. */
  max_batch_tokens: z.int().positive(),
  sessions: z.int().positive(),
  intra_op_threads: z.int().positive(),
  /** Measured on this hardware, not set or a default. */
  tuned: z.boolean(),
  /** The budget of each model; it falls for good when a batch does not fit into memory. */
  models: z
    .array(
      z.object({
        name: z.string(),
        max_batch_tokens: z.int().positive(),
        tuned: z.boolean(),
        /** Of a model that requests may leave early: each of its segments has a budget of its own. */
        segments: z.array(z.object({ layers: layersSchema, max_batch_tokens: z.int().positive(), tuned: z.boolean() })).optional(),
      }),
    )
    .optional(),
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
  /** Epoch milliseconds of Redis TIME at this heartbeat. */
  announced_at: z.number().optional(),
  /** Resident memory of the process. */
  rss_bytes: z.number().optional(),
  engine: engineSchema.optional(),
  /** Slices of batch jobs that it takes at once. */
  batch_slots: z.int().positive().optional(),
  stats: z
    .object({
      pairs_scored: z.number(),
      batches: z.number(),
      padding_waste: z.number(),
      /** Padded tokens ÷ budget, over all batches. */
      batch_fill: z.number().optional(),
      /** Over about the last half minute. */
      pairs_per_s: z.number().optional(),
      /** Tokens a second that its cross-encoders score in well-filled batches; absent until enough of those have run. */
      tokens_per_s: z.number().positive().optional(),
      pairs_waiting: z.number().optional(),
      cache_hits: z.number().optional(),
      cache_misses: z.number().optional(),
    })
    .optional(),
});

export type EngineBody = z.infer<typeof engineSchema>;
export type WorkerAnnouncement = z.infer<typeof workerAnnouncementSchema>;

/** What `apps/worker/dist/bench-main.js` writes to stdout: throughput of one model on this machine, a point a split and budget. */
export const engineBenchSchema = z.object({
  model: z.object({ name: z.string(), precision: z.string(), sha256: z.string() }),
  machine: z.object({ device: z.string(), name: z.string(), cores: z.int(), onnxruntime: z.string(), node: z.string() }),
  /** Tokens of each pair; nothing is padding. */
  sequence_tokens: z.int().positive(),
  rounds: z.int().positive(),
  points: z.array(
    z.object({
      sessions: z.int().positive(),
      intra_op_threads: z.int().positive(),
      max_batch_tokens: z.int().positive(),
      pairs_per_batch: z.int().positive(),
      /** Medians of the repetitions. */
      pairs_per_s: z.number().nonnegative(),
      tokens_per_s: z.number().nonnegative(),
      /** (largest − smallest repetition) ÷ median: how quiet the machine was. */
      spread: z.number().nonnegative(),
    }),
  ),
  /** Of a model that requests may leave early: its segments in the first split, a point a budget, in the order of the layers. */
  segments: z
    .array(
      z.object({
        layers: layersSchema,
        max_batch_tokens: z.int().positive(),
        pairs_per_batch: z.int().positive(),
        pairs_per_s: z.number().nonnegative(),
        tokens_per_s: z.number().nonnegative(),
        spread: z.number().nonnegative(),
      }),
    )
    .optional(),
  /** What could not be timed, and why. */
  left_out: z.array(z.string()),
});

export type EngineBenchBody = z.infer<typeof engineBenchSchema>;
