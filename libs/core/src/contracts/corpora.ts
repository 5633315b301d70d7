import { z } from 'zod';
import {
  corpusNameSchema,
  documentIdSchema,
  epochSecondsSchema,
  jsonSchema,
  modelNameSchema,
  nonBlankTextSchema,
  textSchema,
} from './primitives.js';
import { filterSchema } from './filter.js';
import { stagesSchema } from './stages.js';

export const chunkingSchema = z
  .strictObject({
    mode: z.enum(['none', 'sentences']).default('sentences').meta({
      description:
        '`sentences`: passages of whole sentences. `none`: a document is one passage, of which its embedder sees what fits its window.',
    }),
    max_tokens: z
      .int()
      .min(16)
      .max(8_192)
      .default(256)
      .meta({ description: 'Longest passage, in tokens of the embedder. More than it embeds is refused.' }),
    overlap_tokens: z
      .int()
      .min(0)
      .max(4_096)
      .default(32)
      .meta({ description: 'Tokens that a passage shares with the one before; at most half of max_tokens.' }),
  })
  .refine((chunking) => chunking.overlap_tokens * 2 <= chunking.max_tokens, 'overlap_tokens must be at most half of max_tokens')
  .meta({ id: 'Chunking', description: 'How documents are cut into passages. Lengths are tokens of the corpus’ embedder.' });

const LANGUAGE =
  'Of stemmer and stop words: arabic, danish, dutch, english, finnish, french, german, hungarian, italian, norwegian, portuguese, romanian, russian, spanish, swedish, turkish, or none. Another is refused.';

export const bm25Schema = z
  .strictObject({
    k1: z.number().min(0).max(10).default(1.2).meta({ description: 'How soon a term that comes again counts no more.' }),
    b: z.number().min(0).max(1).default(0.75).meta({ description: 'How much long passages pay for their length: 0 nothing, 1 in full.' }),
    average_length: z.number().min(1).max(10_000).default(100).meta({ description: 'Average passage length in terms, after stop words.' }),
    language: z.string().min(2).max(20).default('english').meta({ description: LANGUAGE }),
  })
  .meta({ id: 'Bm25', description: 'Constants of the sparse index.' });

export const indexOptionsSchema = z
  .strictObject({
    hnsw: z
      .strictObject({
        m: z.int().min(0).max(512).optional().meta({ description: 'Links a node. Default: as Qdrant is configured (16).' }),
        ef_construct: z
          .int()
          .min(4)
          .max(10_000)
          .optional()
          .meta({ description: 'Candidates looked at when a node is added. Default: as Qdrant is configured (100).' }),
      })
      .optional()
      .meta({ description: 'The graph that dense vectors are searched by.' }),
    quantization: z
      .enum(['none', 'scalar', 'binary'])
      .optional()
      .meta({ description: 'Of dense vectors kept in memory: int8 each (`scalar`), or a bit each (`binary`). Default: `none`.' }),
    on_disk: z.boolean().optional().meta({ description: 'Original vectors stay on disk. Default: as Qdrant is configured (false).' }),
    shards: z
      .int()
      .min(1)
      .max(1_000)
      .optional()
      .meta({ description: 'Parts that the index is split into. Default: as Qdrant is configured.' }),
    replicas: z.int().min(1).max(100).optional().meta({ description: 'Copies of each shard. Default: as Qdrant is configured (1).' }),
  })
  .meta({ id: 'IndexOptions', description: 'How the index is built on Qdrant. The embedded store searches exactly and needs none of it.' });

export const externalSourceSchema = z
  .strictObject({
    connection: z.string().min(1).max(100).meta({ description: 'One of those that the operator configured.' }),
    options: z
      .record(z.string(), jsonSchema)
      .default({})
      .meta({ description: 'What this kind of source is told: index, fields, query. docs/retrievers.md lists them.' }),
  })
  .meta({ id: 'ExternalSource', description: 'A first stage outside this service. Only when the corpus is made.' });

export const fieldTypeSchema = z.enum(['keyword', 'integer', 'float', 'bool', 'datetime']);

export const corpusSettingsSchema = z
  .strictObject({
    embedding_model: modelNameSchema.optional().meta({ description: "Default: the workers' embedder." }),
    chunking: chunkingSchema.optional(),
    bm25: bm25Schema.optional(),
    fields: z.record(z.string().min(1).max(256), fieldTypeSchema).optional().meta({
      description: 'Metadata keys that filters use, and their types. Default: none; filters over other keys are slower on Qdrant.',
    }),
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
    title: textSchema.max(4_096).optional().meta({ description: 'Embedded and scored before the text. Default: none.' }),
    text: nonBlankTextSchema
      .max(MAX_DOCUMENT_CHARACTERS)
      .meta({ description: 'What is embedded and scored, in passages. Longer ones are refused: split them where they have chapters.' }),
    metadata: z
      .record(z.string(), jsonSchema)
      .refine(
        (metadata) => JSON.stringify(metadata).length <= MAX_METADATA_CHARACTERS,
        `is longer than ${MAX_METADATA_CHARACTERS} characters of JSON`,
      )
      .optional()
      .meta({
        description: `Yours: filters look at it, and results have it. At most ${MAX_METADATA_CHARACTERS} characters of JSON. Default: none.`,
      }),
  })
  .meta({ id: 'Document' });

export type DocumentBody = z.infer<typeof documentSchema>;

export const storedDocumentSchema = z
  .object({ id: z.string(), title: z.string().optional(), text: z.string(), metadata: z.record(z.string(), jsonSchema).optional() })
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
  .strictObject({
    documents: z
      .array(documentSchema)
      .min(1, 'must hold at least one document')
      .meta({ description: 'As many as fit MAX_BODY_BYTES; for more send NDJSON, one document a line.' }),
  })
  .meta({ id: 'IngestRequest' });

export const deleteDocumentsRequestSchema = z
  .strictObject({
    ids: z
      .array(documentIdSchema)
      .min(1)
      .max(10_000)
      .optional()
      .meta({ description: 'Those to delete, at most 10,000; unknown ones are passed over. Either these or `filter`.' }),
    filter: filterSchema.optional().meta({ description: 'Deletes what it matches of what is stored now. Either this or `ids`.' }),
  })
  .refine((body) => (body.ids === undefined) !== (body.filter === undefined), 'needs either ids or filter')
  .meta({ id: 'DeleteDocumentsRequest' });

export const deletedSchema = z.object({ deleted: z.int() }).meta({ id: 'Deleted' });
