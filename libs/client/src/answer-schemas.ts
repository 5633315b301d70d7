import {
  apiKeyListSchema,
  batchJobSchema,
  bm25Schema,
  chunkingSchema,
  corpusSchema,
  createdKeySchema,
  deadLetterListSchema,
  deletedSchema,
  documentListSchema,
  drainedQueueSchema,
  fieldTypeSchema,
  healthSchema,
  ingestJobSchema,
  jobEstimateSchema,
  jobListSchema,
  jobResultLineSchema,
  modelListSchema,
  queueListSchema,
  queueSchema,
  reindexListSchema,
  reindexSchema,
  rerankResponseSchema,
  retriedDeadLetterSchema,
  scalingSchema,
  searchResponseSchema,
  workerListSchema,
  storedDocumentSchema,
  whoamiSchema,
  type BatchJobBody,
  type CorpusBody,
  type IngestJobBody,
  type JobBody,
  type JobListBody,
  type JobResultLine,
} from '@rerank-fleet/core/contracts';
import { z } from 'zod';

/**
 * The contracts as a client reads them: a newer service may say more. Fields that are not known pass, and so do error codes; a field that
 * is missing or of another type does not. Defaults are for requests, so answers must state every field.
 */
const corpusAnswerSchema: z.ZodType<CorpusBody> = corpusSchema.extend({
  settings: z.object({
    embedding_model: z.string(),
    chunking: z.object({
      mode: chunkingSchema.shape.mode.unwrap(),
      max_tokens: chunkingSchema.shape.max_tokens.unwrap(),
      overlap_tokens: chunkingSchema.shape.overlap_tokens.unwrap(),
    }),
    bm25: z.object({
      k1: bm25Schema.shape.k1.unwrap(),
      b: bm25Schema.shape.b.unwrap(),
      average_length: bm25Schema.shape.average_length.unwrap(),
      language: bm25Schema.shape.language.unwrap(),
    }),
    fields: z.record(z.string(), fieldTypeSchema),
    stages: z.array(z.object({ model: z.string(), keep: z.int().exactOptional() })).optional(),
  }),
});

const ingestJobAnswer = ingestJobSchema.extend({
  errors: z.array(z.object({ line: z.int(), document_id: z.string().optional(), code: z.string(), detail: z.string() })),
});
const batchJobAnswer = batchJobSchema.extend({ error: z.object({ code: z.string(), detail: z.string() }).optional() });
const jobAnswer = z.discriminatedUnion('kind', [batchJobAnswer, ingestJobAnswer]);

/** Of the results only what tells them apart: a line holds as many as were asked for, and a job has many lines. */
const resultLineAnswer = jobResultLineSchema.extend({
  result: z.looseObject({ id: z.string(), results: z.array(z.looseObject({})) }).optional(),
  error: z
    .object({ code: z.string(), message: z.string(), errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional() })
    .optional(),
}) as unknown as z.ZodType<JobResultLine>;

export const ANSWERS = {
  corpus: corpusAnswerSchema,
  batchJob: batchJobAnswer as z.ZodType<BatchJobBody>,
  createdKey: createdKeySchema,
  corpora: z.object({ object: z.literal('list'), data: z.array(corpusAnswerSchema) }),
  deadLetters: deadLetterListSchema,
  deleted: deletedSchema,
  documents: documentListSchema,
  document: storedDocumentSchema,
  drainedQueue: drainedQueueSchema,
  health: healthSchema,
  ingestJob: ingestJobAnswer as z.ZodType<IngestJobBody>,
  job: jobAnswer as z.ZodType<JobBody>,
  jobEstimate: jobEstimateSchema,
  jobList: jobListSchema.extend({ data: z.array(jobAnswer) }) as z.ZodType<JobListBody>,
  jobResultLine: resultLineAnswer,
  keys: apiKeyListSchema,
  models: modelListSchema,
  queue: queueSchema,
  queues: queueListSchema,
  reindex: reindexSchema,
  reindexes: reindexListSchema,
  rerank: rerankResponseSchema,
  retriedDeadLetter: retriedDeadLetterSchema,
  scaling: scalingSchema,
  search: searchResponseSchema,
  whoami: whoamiSchema,
  workers: workerListSchema,
  /** Whatever a delete answers, it is done. */
  nothing: z.unknown(),
} as const;
