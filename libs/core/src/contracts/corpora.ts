import { z } from 'zod';
import { corpusNameSchema, documentIdSchema, epochSecondsSchema, modelNameSchema, nonBlankTextSchema, textSchema } from './primitives.js';
import { filterSchema } from './filter.js';
import { stagesSchema } from './stages.js';

export const chunkingSchema = z
  .strictObject({
    mode: z.enum(['none', 'sentences']).default('sentences'),
    max_tokens: z.int().min(16).max(8_192).default(256),
    overlap_tokens: z.int().min(0).max(4_096).default(32),
  })
  .refine((chunking) => chunking.overlap_tokens * 2 <= chunking.max_tokens, 'overlap_tokens must be at most half of max_tokens')
  .meta({ id: 'Chunking' });

export const bm25Schema = z
  .strictObject({
    k1: z.number().min(0).max(10).default(1.2),
    b: z.number().min(0).max(1).default(0.75),
    average_length: z.number().min(1).max(10_000).default(100).meta({ description: 'Average passage length in terms, after stop words.' }),
    language: z.string().min(2).max(20).default('english'),
  })
  .meta({ id: 'Bm25' });

export const indexOptionsSchema = z
  .strictObject({
    hnsw: z
      .strictObject({ m: z.int().min(0).max(512).optional(), ef_construct: z.int().min(4).max(10_000).optional() })
      .optional()
      .meta({ description: 'Links a node, and candidates looked at when a node is added.' }),
    quantization: z
      .enum(['none', 'scalar', 'binary'])
      .optional()
      .meta({ description: 'Of dense vectors kept in memory: int8 each, or a bit each.' }),
    on_disk: z.boolean().optional().meta({ description: 'Original vectors stay on disk.' }),
    shards: z.int().min(1).max(1_000).optional(),
    replicas: z.int().min(1).max(100).optional(),
  })
  .meta({ id: 'IndexOptions', description: 'How the index is built on Qdrant. The embedded store searches exactly and needs none of it.' });

export const externalSourceSchema = z
  .strictObject({
    connection: z.string().min(1).max(100).meta({ description: 'One of those that the operator configured.' }),
    options: z.record(z.string(), z.json()).default({}),
  })
  .meta({ id: 'ExternalSource', description: 'A first stage outside this service. Only when the corpus is made.' });

export const fieldTypeSchema = z.enum(['keyword', 'integer', 'float', 'bool', 'datetime']);

export const corpusSettingsSchema = z
  .strictObject({
    embedding_model: modelNameSchema.optional().meta({ description: "Default: the workers' embedder." }),
    chunking: chunkingSchema.optional(),
    bm25: bm25Schema.optional(),
    fields: z
      .record(z.string().min(1).max(256), fieldTypeSchema)
      .optional()
      .meta({ description: 'Filterable metadata keys and their types.' }),
    index: indexOptionsSchema.optional(),
    source: externalSourceSchema.optional(),
    stages: stagesSchema.optional().meta({
      description:
        'Cascade of searches that name neither model nor stages; their top_n is cut to its last keep. An empty list takes it back. Needs no reindex.',
    }),
  })
  .meta({ id: 'CorpusSettings' });

export type CorpusSettingsBody = z.infer<typeof corpusSettingsSchema>;

export const corpusSchema = z
  .object({
    name: corpusNameSchema,
    settings: z.object({
      embedding_model: z.string(),
      chunking: chunkingSchema,
      bm25: bm25Schema,
      fields: z.record(z.string(), fieldTypeSchema),
      index: indexOptionsSchema.optional(),
      source: externalSourceSchema.optional(),
      stages: stagesSchema.optional(),
    }),
    version: z.int().meta({ description: 'The promoted version.' }),
    versions: z.array(
      z.object({
        version: z.int(),
        state: z.enum(['promoted', 'building', 'retired']),
        embedding_model: z.string(),
        embedding_sha256: z.string(),
        created_at: epochSecondsSchema,
        retired_at: epochSecondsSchema.optional(),
      }),
    ),
    documents: z.int(),
    passages: z.int(),
    created_at: epochSecondsSchema,
  })
  .meta({ id: 'Corpus' });

export type CorpusBody = z.infer<typeof corpusSchema>;

export const corpusListSchema = z.object({ object: z.literal('list'), data: z.array(corpusSchema) }).meta({ id: 'CorpusList' });

/** Longest document, in characters: a thick book. Longer texts are better split where they have chapters. */
export const MAX_DOCUMENT_CHARACTERS = 2_000_000;
/** Metadata goes with every passage, to the store and into results. */
const MAX_METADATA_CHARACTERS = 65_536;

export const documentSchema = z
  .strictObject({
    id: documentIdSchema
      .optional()
      .meta({ description: 'Default: derived from title and text, so that sending a document twice stores it once.' }),
    title: textSchema.max(4_096).optional(),
    text: nonBlankTextSchema.max(MAX_DOCUMENT_CHARACTERS),
    metadata: z
      .record(z.string(), z.json())
      .refine(
        (metadata) => JSON.stringify(metadata).length <= MAX_METADATA_CHARACTERS,
        `is longer than ${MAX_METADATA_CHARACTERS} characters of JSON`,
      )
      .optional(),
  })
  .meta({ id: 'Document' });

export type DocumentBody = z.infer<typeof documentSchema>;

export const storedDocumentSchema = z
  .object({ id: z.string(), title: z.string().optional(), text: z.string(), metadata: z.record(z.string(), z.json()).optional() })
  .meta({ id: 'StoredDocument' });

export const documentListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(storedDocumentSchema),
    has_more: z.boolean(),
    next: z.string().optional().meta({ description: 'Pass as `after` for the next page.' }),
  })
  .meta({ id: 'DocumentList' });

export type DocumentListBody = z.infer<typeof documentListSchema>;

export const ingestRequestSchema = z
  .strictObject({ documents: z.array(documentSchema).min(1, 'must hold at least one document') })
  .meta({ id: 'IngestRequest' });

export const deleteDocumentsRequestSchema = z
  .strictObject({ ids: z.array(documentIdSchema).min(1).max(10_000).optional(), filter: filterSchema.optional() })
  .refine((body) => (body.ids === undefined) !== (body.filter === undefined), 'needs either ids or filter')
  .meta({ id: 'DeleteDocumentsRequest' });

export const deletedSchema = z.object({ deleted: z.int() }).meta({ id: 'Deleted' });
