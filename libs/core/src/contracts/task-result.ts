import { z } from 'zod';
import { effortReportSchema } from './rerank.js';
import { stageScoreSchema } from './stages.js';
import { ERROR_CODES, isErrorCode, RerankError } from '../errors/index.js';

const taskTimingsSchema = z.object({
  queue: z.number(),
  retrieve: z.number().optional(),
  tokenize: z.number().optional(),
  score: z.number().optional(),
});

/** Best first, cut to top n. */
const rankedSchema = z.object({
  index: z.int(),
  logit: z.number(),
  tokens: z.int(),
  truncated: z.boolean(),
  /** Code points into what was scored. */
  span: z.object({ start: z.int(), end: z.int() }).optional(),
  /** In the order of the stages, where the task asked to explain. */
  stages: z.array(stageScoreSchema).optional(),
});

export const rerankOutcomeSchema = z.object({
  kind: z.literal('rerank'),
  /** That of the last stage. */
  model: z.string(),
  results: z.array(rankedSchema),
  /** Of all pairs scored in all stages, not only of those returned. */
  prompt_tokens: z.int(),
  timings_ms: taskTimingsSchema,
  /** Where the task asked to explain. */
  effort: effortReportSchema.exactOptional(),
});

export const searchOutcomeSchema = z.object({
  kind: z.literal('search'),
  model: z.string().optional(),
  results: z.array(
    z.object({
      document_id: z.string(),
      title: z.string().optional(),
      passage: z.object({ index: z.int(), start: z.int(), end: z.int(), text: z.string() }),
      metadata: z.record(z.string(), z.json()).optional(),
      first_stage: z.object({ score: z.number(), rank: z.int() }),
      score: rankedSchema.omit({ index: true }).optional(),
    }),
  ),
  context_tokens: z.int().optional(),
  prompt_tokens: z.int(),
  timings_ms: taskTimingsSchema,
  /** Where the task asked to explain. */
  effort: effortReportSchema.exactOptional(),
});

export const ingestOutcomeSchema = z.object({
  kind: z.literal('ingest'),
  succeeded: z.int(),
  /** Of those, how many the index had already as they are; absent in outcomes of older workers. */
  unchanged: z.int().optional(),
  errors: z.array(
    z.object({ line: z.int(), document_id: z.string().optional(), code: z.enum(ERROR_CODES as [string, ...string[]]), detail: z.string() }),
  ),
});

/** Results of a batch lie in the blob store. */
export const batchOutcomeSchema = z.object({ kind: z.literal('batch') });

export const corpusOutcomeSchema = z.object({
  kind: z.literal('corpus'),
  /** A new corpus was made. */
  created: z.boolean().optional(),
  /** Documents that went. */
  deleted: z.int().optional(),
});

export const taskOutcomeSchema = z.discriminatedUnion('kind', [
  rerankOutcomeSchema,
  searchOutcomeSchema,
  ingestOutcomeSchema,
  batchOutcomeSchema,
  corpusOutcomeSchema,
]);

export type RerankOutcome = z.infer<typeof rerankOutcomeSchema>;
export type SearchOutcome = z.infer<typeof searchOutcomeSchema>;
export type IngestOutcome = z.infer<typeof ingestOutcomeSchema>;
export type CorpusOutcome = z.infer<typeof corpusOutcomeSchema>;
export type TaskOutcome = z.infer<typeof taskOutcomeSchema>;

const failureSchema = z.object({
  code: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })),
  retry_after_s: z.number().optional(),
});

/** Written once by the worker that holds the task's fence, read by the API that waits. */
export const taskResultSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('succeeded'), outcome: taskOutcomeSchema }),
  z.object({ status: z.literal('failed'), error: failureSchema }),
]);

export type TaskResult = z.infer<typeof taskResultSchema>;

/** Unknown faults become a constant text: what went wrong inside is for the log, not for the client. */
export function failedResult(error: unknown): TaskResult {
  const known =
    error instanceof RerankError ? error : new RerankError('internal_error', 'An unexpected fault; the log has it under the request id.');
  return {
    status: 'failed',
    error: {
      code: known.code,
      detail: known.detail,
      errors: known.errors.map((fault) => ({ ...fault })),
      ...(known.retryAfterS === undefined ? {} : { retry_after_s: known.retryAfterS }),
    },
  };
}

export function errorOfResult(result: Extract<TaskResult, { status: 'failed' }>): RerankError {
  const { code, detail, errors, retry_after_s: retryAfterS } = result.error;
  return new RerankError(isErrorCode(code) ? code : 'internal_error', detail, {
    errors,
    ...(retryAfterS === undefined ? {} : { retryAfterS }),
  });
}
