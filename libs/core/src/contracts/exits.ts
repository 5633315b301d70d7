import { z } from 'zod';
import { bm25Schema, chunkingSchema } from './corpora.js';

/**
 * First line on stdin of `apps/worker/dist/exits-main.js fit`. Lines of texts follow: lists, or where `corpus` is there, documents and queries.
 */
export const exitFitJobSchema = z.strictObject({
  /** Name or folder of a cross-encoder. */
  model: z.string().exactOptional(),
  /** Layers run before each cut, ascending. */
  cuts: z.array(z.int().positive()).min(1).exactOptional(),
  /** File that the heads are written to instead of the one that workers look for. */
  out: z.string().exactOptional(),
  /** For people: of what kind the texts are, never the texts. */
  fitted_on: z.string(),
  /** Pairs at most. */
  limit: z.int().positive(),
  corpus: z.strictObject({ chunking: chunkingSchema, bm25: bm25Schema }).exactOptional(),
});

export type ExitFitJob = z.infer<typeof exitFitJobSchema>;

/** A query with candidates. */
export const exitFitListSchema = z.strictObject({ query: z.string(), documents: z.array(z.string()).min(1) });
/** A document of the corpus, or a query that is asked of it. Without queries they are made of the documents. */
export const exitFitTextSchema = z.union([
  z.strictObject({ document: z.strictObject({ title: z.string().exactOptional(), text: z.string() }) }),
  z.strictObject({ query: z.string() }),
]);

export type ExitFitLine = z.infer<typeof exitFitListSchema> | z.infer<typeof exitFitTextSchema>;

/** What the program says over IPC while it works. */
export const exitFitProgressSchema = z.object({ stage: z.enum(['score', 'fit']), done: z.int(), total: z.int() });

export type ExitFitProgress = z.infer<typeof exitFitProgressSchema>;

const modelSchema = z.object({ name: z.string(), sha256: z.string() });
/** Linear in the features of a pair, or a few hinges of them. */
const kindSchema = z.enum(['ridge', 'hinges']);
const headSchema = z.object({
  /** Layers run before it. */
  layer: z.int(),
  kind: kindSchema,
  /** Standard deviation of what it is off by, in logits, on queries that it was not fitted on. */
  sigma: z.number(),
  /** Of predicted and full logits of those queries. */
  correlation: z.number(),
});
const fitSchema = z.object({
  path: z.string(),
  fitted_on: z.string(),
  fitted_at: z.string().exactOptional(),
  pairs: z.int(),
  queries: z.int(),
});

/** What `exits-main.js fit` writes to stdout. */
export const exitFitReportSchema = fitSchema.extend({
  model: modelSchema,
  /** Layers of the model. */
  layers: z.int(),
  heads: z.array(
    headSchema.extend({
      correlation_within_query: z.number(),
      /** The same of the kind that was fitted too and not kept. */
      other: z.object({ kind: kindSchema, sigma: z.number(), correlation: z.number(), correlation_within_query: z.number() }),
    }),
  ),
  /** Null where no query has 20 candidates: below that all layers run. */
  simulation: z
    .object({
      queries: z.int(),
      pairs: z.int(),
      efforts: z.array(
        z.object({
          effort: z.enum(['balanced', 'fast']),
          /** Standard deviations. */
          margin: z.number(),
          /** Share of all layers of all pairs. */
          layers_run: z.number(),
          /** Share of the whole model's best ten that is among the best ten. */
          overlap_at_10: z.number(),
        }),
      ),
    })
    .nullable(),
  remarks: z.array(z.string()),
});

export type ExitFitReport = z.infer<typeof exitFitReportSchema>;

/** What `exits-main.js show` writes to stdout. */
export const exitShowSchema = z.object({
  models: z.array(
    z.object({
      model: modelSchema,
      /** Null: the model runs whole whatever effort is asked for. */
      heads: fitSchema.extend({ source: z.enum(['fitted', 'shipped']), heads: z.array(headSchema) }).nullable(),
    }),
  ),
  remarks: z.array(z.string()),
});

export type ExitShowBody = z.infer<typeof exitShowSchema>;
