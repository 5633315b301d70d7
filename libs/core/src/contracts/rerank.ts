import { z } from 'zod';
import { modelNameSchema, nonBlankTextSchema, querySchema } from './primitives.js';
import { checkStages, requestStagesSchema, stageScoreSchema } from './stages.js';

export const longDocumentSchema = z.enum(['truncate', 'chunk', 'error']).meta({
  description:
    'A document that does not fit the model’s window beside the query: `truncate` cuts its end; `chunk` scores overlapping windows of whole sentences, the best counts; `error` refuses the request (422 `pair_too_long`). Default: `truncate`.',
});

export const effortSchema = z.enum(['full', 'balanced', 'fast']).meta({
  description:
    'How much of a model is run. `full`: all layers for every pair. `balanced` and `fast`: pairs whose score is predicted to be hopeless leave between layers; every result up to `top_n` has its full score; with `min_score` none is returned without. About half and a third of the work. Default: as the deployment is configured (EFFORT).',
});

/** What became of `effort`, by stage. */
export const effortReportSchema = z
  .object({
    asked: effortSchema,
    stages: z.array(
      z.object({
        ran: effortSchema,
        reason: z.enum(['few_candidates', 'model_not_cut', 'deterministic', 'no_memory', 'not_loaded', 'fault']).exactOptional().meta({
          description: 'Why all layers ran although less was asked for.',
        }),
      }),
    ),
  })
  .meta({ id: 'EffortReport' });

/** Fields that choose how pairs are scored; the same on every route. */
export const scoringFields = {
  stages: requestStagesSchema.optional(),
  min_score: z.number().optional().meta({
    description:
      'Leaves out results whose relevance_score is lower; with stages, that of the last. With raw_scores a logit, else 0 to 1. Default: none is left out.',
  }),
  raw_scores: z.boolean().optional().meta({ description: 'relevance_score is the logit instead of its sigmoid. Default: false.' }),
  deterministic: z.boolean().optional().meta({
    description:
      'One pair a run: a score never depends on other pairs in the batch, which are others’ too. Without it, an int8 model’s logits move with their batch mates, by 0.14 on average and 0.91 at most on TREC DL 2019. By the file as it is, at about three fifths of the speed. Default: as the deployment is configured (DETERMINISTIC).',
  }),
  effort: effortSchema.optional(),
  long_document: longDocumentSchema.optional(),
  explain: z.boolean().optional().meta({
    description: 'Adds logit, tokens, truncated and the scores of each stage to each result, and what became of `effort`. Default: false.',
  }),
  timeout_ms: z.int().min(1).max(600_000).optional().meta({
    description:
      'Milliseconds that the call may take, waiting included; then it is 504 `deadline_exceeded`. Default, and the most it can be: what the server allows (SYNC_TIMEOUT_MS, 60,000 unless configured). A longer one is cut to that without an error; above 600,000 is refused.',
  }),
};

export const rerankRequestSchema = z
  .object({
    model: modelNameSchema
      .optional()
      .meta({ description: 'Reranker: a name of GET /v1/models, or an alias of MODEL_ALIASES. Default: the first of the default pool.' }),
    query: querySchema,
    documents: z
      .array(
        z.union([
          nonBlankTextSchema,
          z.looseObject({ text: nonBlankTextSchema.meta({ description: 'What is scored; must not be blank.' }) }),
        ]),
      )
      .min(1, 'must hold at least one document')
      .meta({
        description:
          'Strings, or objects with a `text`, whose other fields come back with it. At most MAX_DOCUMENTS (1,000 unless configured); more are 413 `too_many_documents`.',
      }),
    top_n: z.int().min(1).optional().meta({
      description:
        'Results returned, best first. Default: all. More than there are documents: all; more than the last keep of stages is refused.',
    }),
    return_documents: z.boolean().optional().meta({ description: 'Each result has its document. Default: false.' }),
    max_tokens_per_doc: z.int().min(1).optional().meta({
      description:
        'Tokens of a document that are looked at; what is beyond counts as too long (`long_document`). Default: what fits the model’s window beside the query; with `chunk`, all.',
    }),
    ...scoringFields,
  })
  .superRefine(checkStages)
  .meta({
    id: 'RerankRequest',
    examples: [{ query: 'best practices for pruning apple trees', documents: ['Prune in late winter …', 'Apple shares rose …'], top_n: 1 }],
  });

export type RerankRequest = z.infer<typeof rerankRequestSchema>;

export const spanSchema = z
  .object({ start: z.int(), end: z.int() })
  .meta({ id: 'Span', description: 'The window that the score is of: Unicode code points into the text, end exclusive.' });

export const usageSchema = z.object({ prompt_tokens: z.int(), total_tokens: z.int() });

export const timingsSchema = z
  .object({
    queue: z.number(),
    retrieve: z.number().optional(),
    tokenize: z.number().optional(),
    score: z.number().optional(),
    total: z.number(),
  })
  .meta({ id: 'Timings', description: 'Milliseconds of each step.' });

export const rerankResponseSchema = z
  .object({
    id: z.string(),
    model: z.string(),
    results: z.array(
      z.object({
        index: z.int().meta({ description: 'Position of the document in the request.' }),
        relevance_score: z.number(),
        document: z.looseObject({ text: z.string() }).optional(),
        logit: z.number().optional(),
        tokens: z.int().optional(),
        truncated: z.boolean().optional(),
        best_span: spanSchema.optional(),
        stages: z.array(stageScoreSchema).optional(),
      }),
    ),
    truncated: z.array(z.int()).optional().meta({ description: 'Indices of returned documents of which part was not looked at.' }),
    usage: usageSchema,
    meta: z.object({
      api_version: z.object({ version: z.string() }),
      billed_units: z.object({ search_units: z.int() }),
      tokens: z.object({ input_tokens: z.int() }),
    }),
    timings_ms: timingsSchema.optional(),
    effort: effortReportSchema.optional(),
  })
  .meta({ id: 'RerankResponse' });

export type RerankResponse = z.infer<typeof rerankResponseSchema>;
