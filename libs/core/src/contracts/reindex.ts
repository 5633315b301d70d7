import { z } from 'zod';
import { bm25Schema, chunkingSchema, indexOptionsSchema } from './corpora.js';
import { corpusNameSchema, documentIdSchema, epochSecondsSchema, modelNameSchema, querySchema } from './primitives.js';

const MAX_JUDGED_QUERIES = 1_000;

const judgedQuerySchema = z.strictObject({
  query: querySchema.meta({ description: 'What is searched for.' }),
  relevant: z.record(documentIdSchema, z.number().min(0).max(100)).meta({ description: 'Document id → grade; those left out count 0.' }),
});

export const reindexChecksSchema = z
  .strictObject({
    sample: z
      .int()
      .min(0)
      .max(1_000)
      .default(50)
      .meta({ description: "Queries made of the corpus' own documents, asked of both versions." }),
    min_overlap: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .meta({ description: 'Least mean share of the first ten documents that both versions find. Default: none is asked for.' }),
    judged: z
      .array(judgedQuerySchema)
      .min(1)
      .max(MAX_JUDGED_QUERIES)
      .optional()
      .meta({ description: 'Queries with known answers: nDCG@10 of both versions is measured instead of their overlap. Default: none.' }),
    min_ndcg_ratio: z
      .number()
      .min(0)
      .optional()
      .meta({ description: 'Least nDCG@10 after ÷ before, over the judged queries. Default: none is asked for.' }),
  })
  .refine((checks) => checks.min_ndcg_ratio === undefined || checks.judged !== undefined, 'min_ndcg_ratio needs judged queries')
  .meta({ id: 'ReindexChecks', description: 'What the new version has to pass before it is promoted.' });

/** Documents a second; null takes the limit away. */
export const requestsPerSecondSchema = z.number().positive().max(1_000_000);

export const reindexRequestSchema = z
  .strictObject({
    embedding_model: modelNameSchema.optional().meta({ description: 'Embedder of the new version. Default: that of the corpus.' }),
    chunking: chunkingSchema.optional(),
    bm25: bm25Schema.optional(),
    index: indexOptionsSchema.optional(),
    requests_per_second: requestsPerSecondSchema.optional().meta({ description: 'Documents a second at most. Default: no limit.' }),
    promote: z.enum(['auto', 'manual']).default('auto').meta({
      description: '`auto`: used as soon as it is built and has passed its checks. `manual`: waits, as `ready`, to be promoted.',
    }),
    validation: reindexChecksSchema.optional(),
    keep_previous_s: z
      .int()
      .min(0)
      .max(30 * 86_400)
      .optional()
      .meta({
        description:
          'Seconds that the version before stays for a rollback; never fewer than 660, the longest that a request may take. Default: a day.',
      }),
  })
  .meta({ id: 'ReindexRequest', description: 'What is left out stays as it is. An empty body builds the same index anew.' });

export type ReindexRequestBody = z.infer<typeof reindexRequestSchema>;

export const REINDEX_STATUSES = ['building', 'validating', 'ready', 'completed', 'failed', 'cancelled', 'rolled_back'] as const;

const validationSchema = z.object({
  documents: z.object({ expected: z.int(), found: z.int() }),
  repaired: z.int().meta({ description: 'Documents that were missing or old in the new version, and were written again.' }),
  queries: z.int(),
  overlap: z.number().optional().meta({ description: 'Mean share of the first ten documents that both versions find.' }),
  ndcg: z.object({ before: z.number(), after: z.number() }).optional(),
  failures: z.array(z.string()).meta({ description: 'What was asked for and is not so.' }),
});

export const reindexSchema = z
  .object({
    id: z.string(),
    object: z.literal('reindex'),
    corpus: corpusNameSchema,
    from_version: z.int(),
    to_version: z.int(),
    status: z.enum(REINDEX_STATUSES),
    promote: z.enum(['auto', 'manual']),
    total: z.int().meta({ description: 'Live documents of the corpus.' }),
    created: z.int(),
    updated: z.int().meta({ description: 'Documents that a live write had brought to the new version first.' }),
    failed: z.int(),
    failures: z.array(z.object({ document_id: z.string(), code: z.string(), detail: z.string() })),
    throttled_ms: z.int(),
    requests_per_second: z.number().optional(),
    checkpoint: z.string().optional(),
    documents_per_s: z.number().optional().meta({ description: 'Speed so far, pauses of the throttle included.' }),
    eta_s: z.int().optional(),
    waiting: z
      .object({ code: z.string(), detail: z.string() })
      .optional()
      .meta({ description: 'Why it does not go on at present: no worker holds the embedder, or a store is away.' }),
    validation: validationSchema.optional(),
    error: z.object({ code: z.string(), detail: z.string() }).optional(),
    created_at: epochSecondsSchema,
    ended_at: epochSecondsSchema.optional(),
    urls: z.object({ self: z.string() }),
  })
  .meta({ id: 'Reindex' });

export type ReindexBody = z.infer<typeof reindexSchema>;

export const reindexListSchema = z.object({ object: z.literal('list'), data: z.array(reindexSchema) }).meta({ id: 'ReindexList' });
