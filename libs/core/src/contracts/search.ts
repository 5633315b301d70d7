import { z } from 'zod';
import { filterSchema } from './filter.js';
import { corpusNameSchema, jsonSchema, modelNameSchema, querySchema } from './primitives.js';
import { effortReportSchema, scoringFields, spanSchema, timingsSchema, usageSchema } from './rerank.js';
import { checkStages, stageScoreSchema } from './stages.js';

/** Deepest first stage a client may ask for, in passages. */
export const MAX_TOP_K = 1_000;

export const searchRequestSchema = z
  .strictObject({
    corpus: corpusNameSchema,
    query: querySchema,
    model: modelNameSchema.optional().meta({
      description:
        'Reranker: a name of GET /v1/models, or an alias of MODEL_ALIASES. Default: the stages of the corpus, else the first of the pool.',
    }),
    top_k: z
      .int()
      .min(1)
      .default(50)
      .meta({ description: `First-stage depth in passages, at most ${MAX_TOP_K}; more is 413 \`too_many_candidates\`.` }),
    top_n: z.int().min(1).optional().meta({
      description:
        'Results returned. More than top_k, or than the last keep of stages, is refused. Default: 10; with context_tokens, as many as fit.',
    }),
    context_tokens: z.int().min(1).optional().meta({
      description:
        'Returns the best passages that together have at most so many tokens, for the context of a language model; counted by the embedder’s tokenizer. Default: no bound.',
    }),
    mode: z.enum(['hybrid', 'dense', 'sparse']).default('hybrid').meta({
      description: 'First stage. `dense`: nearest vectors; `sparse`: BM25; `hybrid`: both, fused by reciprocal rank.',
    }),
    filter: filterSchema.optional(),
    group_by: z
      .enum(['document', 'none'])
      .default('document')
      .meta({ description: '`document` gives a document once, by its best passage; `none` gives every passage.' }),
    rerank: z
      .boolean()
      .default(true)
      .meta({ description: 'false returns the first-stage order; `model`, `stages` and `min_score` are refused then.' }),
    return_documents: z.boolean().default(true).meta({ description: 'Passage texts and metadata in the results.' }),
    ...scoringFields,
  })
  .superRefine(checkStages)
  .meta({ id: 'SearchRequest', examples: [{ corpus: 'everyday', query: 'best practices for pruning apple trees', top_k: 50, top_n: 5 }] });

export type SearchRequest = z.infer<typeof searchRequestSchema>;

export const searchResponseSchema = z
  .object({
    id: z.string(),
    corpus: z.string(),
    version: z.int(),
    model: z.string().optional().meta({ description: 'That of the last stage. Absent when nothing was reranked.' }),
    results: z.array(
      z.object({
        document_id: z.string(),
        title: z.string().optional(),
        passage: z
          .object({ index: z.int(), start: z.int(), end: z.int(), text: z.string().optional() })
          .meta({ description: 'start and end are Unicode code points into the text of the document.' }),
        relevance_score: z.number().optional(),
        logit: z.number().optional(),
        first_stage: z.object({ score: z.number(), rank: z.int() }),
        metadata: z.record(z.string(), jsonSchema).optional(),
        tokens: z.int().optional(),
        truncated: z.boolean().optional(),
        best_span: spanSchema.optional(),
        stages: z.array(stageScoreSchema).optional(),
        moved: z.int().optional().meta({ description: 'First-stage rank minus the rank here: above 0 where reranking moved it up.' }),
      }),
    ),
    usage: usageSchema,
    context_tokens: z
      .int()
      .optional()
      .meta({ description: 'Tokens of the returned passages, where the request gave a budget; counted by the embedder’s tokenizer.' }),
    truncated: z.array(z.string()).meta({ description: 'Ids of returned documents whose passage did not fit the window.' }),
    timings_ms: timingsSchema,
    effort: effortReportSchema.optional(),
  })
  .meta({ id: 'SearchResponse' });

export type SearchResponse = z.infer<typeof searchResponseSchema>;
