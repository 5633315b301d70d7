import { z } from 'zod';
import type { Bm25Constants, Chunking, CorpusVersion, ExternalSource, IndexOptions } from '../domain/index.js';
import { filterSchema } from './filter.js';
import { corpusNameSchema, tenantSchema } from './primitives.js';
import { effortSchema, longDocumentSchema } from './rerank.js';
import { corpusSettingsSchema, fieldTypeSchema } from './corpora.js';
import { reindexRequestSchema, requestsPerSecondSchema } from './reindex.js';

/** Task payloads carry this number; a worker refuses one it does not know. */
export const TASK_VERSION = 1;

/** Work that somebody waits for, a queue a pool. */
export const syncQueue = (pool: string): string => `sync-${pool}`;
/** Slices of batch jobs, a queue a pool. */
export const batchQueue = (pool: string): string => `batch-${pool}`;
/** The first slices of a tenant that had nothing in flight: workers keep room for them, so that a small job does not wait behind a large one. */
export const expressQueue = (pool: string): string => `express-${pool}`;
/** Slices of uploads, of all pools. */
export const INGEST_QUEUE = 'ingest';

/** Webhooks of jobs that have ended, of all pools. */
export const WEBHOOKS_QUEUE = 'webhooks';

/** One pass of a cascade, pinned to the file that the request was admitted for. */
const taskStageSchema = z.object({
  model: z.object({ name: z.string(), sha256: z.string() }),
  /** Absent in the last stage only. */
  keep: z.int().min(1).exactOptional(),
});

const taskStagesSchema = z.array(taskStageSchema).min(1);

const versionPinSchema: z.ZodType<CorpusVersion> = z.object({
  tenant: tenantSchema,
  corpus: corpusNameSchema,
  version: z.int().min(1),
  corpusId: z.string(),
  embedder: z.object({ name: z.string(), sha256: z.string(), dimensions: z.int() }),
  chunking: z.object({ mode: z.enum(['none', 'sentences']), maxTokens: z.int(), overlapTokens: z.int() }) satisfies z.ZodType<Chunking>,
  bm25: z.object({
    k1: z.number(),
    b: z.number(),
    averageLength: z.number(),
    language: z.string(),
    termHash: z.literal('murmur3-32'),
  }) satisfies z.ZodType<Bm25Constants>,
  fields: z.record(z.string(), fieldTypeSchema),
  index: z
    .object({
      hnsw: z.object({ m: z.int().exactOptional(), efConstruct: z.int().exactOptional() }).exactOptional(),
      quantization: z.enum(['none', 'scalar', 'binary']).exactOptional(),
      onDisk: z.boolean().exactOptional(),
      shards: z.int().exactOptional(),
      replicas: z.int().exactOptional(),
    })
    .exactOptional() satisfies z.ZodType<IndexOptions | undefined>,
  source: z.object({ connection: z.string(), options: z.record(z.string(), z.json()) }).exactOptional() satisfies z.ZodType<
    ExternalSource | undefined
  >,
  createdAt: z.number(),
});

const scoringSchema = z.object({
  top_n: z.int().min(1),
  /** In the scale of the logit. */
  min_logit: z.number().optional(),
  long_document: longDocumentSchema,
  /** Absent: as the worker is configured. */
  deterministic: z.boolean().optional(),
  /** Absent: as the worker is configured. */
  effort: effortSchema.exactOptional(),
  /** Results tell how they fared in each stage. */
  explain: z.boolean().optional(),
});

export const rerankTaskSchema = scoringSchema.extend({
  kind: z.literal('rerank'),
  stages: taskStagesSchema,
  query: z.string(),
  documents: z.array(z.string()),
  max_passage_tokens: z.int().min(1).optional(),
});

export const searchTaskSchema = scoringSchema.extend({
  kind: z.literal('search'),
  /** Absent: first-stage order. */
  stages: taskStagesSchema.optional(),
  version: versionPinSchema,
  query: z.string(),
  mode: z.enum(['hybrid', 'dense', 'sparse']),
  top_k: z.int().min(1),
  filter: filterSchema.optional(),
  group_by: z.enum(['document', 'none']),
  context_tokens: z.int().min(1).optional(),
});

export const ingestTaskSchema = z.object({
  kind: z.literal('ingest'),
  job_id: z.string(),
  slice: z.int().min(0),
});

/** A slice of a batch job; what it holds lies in the blob store. */
export const batchTaskSchema = z.object({ kind: z.literal('batch'), job_id: z.string(), slice: z.int().min(0) });

export const corpusTaskSchema = z.object({
  kind: z.literal('corpus'),
  corpus: corpusNameSchema,
  change: z.discriminatedUnion('op', [
    z.object({ op: z.literal('put'), settings: corpusSettingsSchema }),
    z.object({ op: z.literal('delete'), corpus_id: z.string().exactOptional() }),
    z.object({
      op: z.literal('delete_documents'),
      corpus_id: z.string(),
      seq: z.number(),
      ids: z.array(z.string()).optional(),
      filter: filterSchema.optional(),
    }),
    // One that an index refused, as it is written down.
    z.object({ op: z.literal('settle_delete'), delete_id: z.string() }),
    z.object({ op: z.literal('start_reindex'), id: z.string(), request: reindexRequestSchema }),
    z.object({
      op: z.literal('control_reindex'),
      id: z.string(),
      action: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('rethrottle'), requests_per_second: requestsPerSecondSchema.nullable() }),
        z.object({ kind: z.literal('cancel') }),
        z.object({ kind: z.literal('promote') }),
        z.object({ kind: z.literal('rollback') }),
      ]),
    }),
  ]),
});

export const taskBodySchema = z.discriminatedUnion('kind', [
  rerankTaskSchema,
  searchTaskSchema,
  ingestTaskSchema,
  batchTaskSchema,
  corpusTaskSchema,
]);

/** A webhook to be sent. Where it goes and its secret lie in the blob store. */
export const webhookTaskSchema = z.object({ v: z.literal(TASK_VERSION), tenant: tenantSchema, job_id: z.string() });
export type WebhookTask = z.infer<typeof webhookTaskSchema>;

export type TaskStage = z.infer<typeof taskStageSchema>;
export type RerankTask = z.infer<typeof rerankTaskSchema>;
export type SearchTask = z.infer<typeof searchTaskSchema>;
export type IngestTask = z.infer<typeof ingestTaskSchema>;
export type BatchTask = z.infer<typeof batchTaskSchema>;
export type CorpusTask = z.infer<typeof corpusTaskSchema>;
export type TaskBody = z.infer<typeof taskBodySchema>;

/** What travels through the queue. Large bodies lie beside it (`body_ref`), with a TTL. */
export const taskPayloadSchema = z
  .object({
    v: z.literal(TASK_VERSION),
    id: z.string(),
    tenant: tenantSchema,
    request_id: z.string(),
    pool: z.string(),
    /** Epoch milliseconds of Redis TIME; absent for work that has none. */
    deadline_ms: z.number().optional(),
    /** Epoch milliseconds of Redis TIME. */
    enqueued_ms: z.number(),
    traceparent: z.string().optional(),
    /** Inbox of the process that waits, to which a small result goes whole. */
    reply_to: z.string().optional(),
    body: taskBodySchema.optional(),
    body_ref: z.string().optional(),
  })
  .refine((payload) => (payload.body === undefined) !== (payload.body_ref === undefined), 'needs either body or body_ref');

export type TaskPayload = z.infer<typeof taskPayloadSchema>;
