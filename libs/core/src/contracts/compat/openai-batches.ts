import { z } from 'zod';
import { jobMetadataSchema } from '../jobs.js';
import { epochSecondsSchema } from '../primitives.js';

export const BATCH_ENDPOINTS = ['/v1/rerank', '/v1/search'] as const;
export type BatchEndpoint = (typeof BATCH_ENDPOINTS)[number];

const WINDOW = /^([1-9]\d{0,6})([smhd])$/;
const UNIT_S = { s: 1, m: 60, h: 3_600, d: 24 * 3_600 } as const;
const LONGEST_WINDOW_S = 30 * UNIT_S.d;

/** Seconds of a window such as `24h`; NaN if it is none. */
export function secondsOfWindow(window: string): number {
  const [, count, unit] = WINDOW.exec(window) ?? [];
  return Number(count) * UNIT_S[unit as keyof typeof UNIT_S];
}

export const openAiBatchRequestSchema = z
  .object({
    input_file_id: z
      .string()
      .min(1, 'must not be empty')
      .meta({ description: 'Our `requests`: the id of an uploaded file of purpose `batch`.' }),
    endpoint: z
      .enum(BATCH_ENDPOINTS, `must be one of ${BATCH_ENDPOINTS.join(', ')}`)
      .meta({ description: 'No field of ours. The route that every line of the file calls.' }),
    completion_window: z
      .string()
      .refine((window) => secondsOfWindow(window) <= LONGEST_WINDOW_S, 'must be a time of at most 30 days, such as 24h, 90m or 7d')
      .meta({
        description: 'Our `expires_in_s`: what is not done by then ends as expired. OpenAI’s is `24h`; here any from `1s` to `30d`.',
      }),
    metadata: jobMetadataSchema
      .optional()
      .meta({ description: 'Our `metadata`: comes back with the batch. At most 16 entries; keys to 64, values to 512 characters.' }),
  })
  .meta({ id: 'OpenAiBatchRequest', examples: [{ input_file_id: 'file-0f8f', endpoint: '/v1/rerank', completion_window: '24h' }] });

export type OpenAiBatchRequest = z.infer<typeof openAiBatchRequestSchema>;

export const openAiBatchErrorSchema = z.object({
  code: z.string(),
  line: z.int().nullable(),
  message: z.string(),
  param: z.string().nullable(),
});

export type OpenAiBatchError = z.infer<typeof openAiBatchErrorSchema>;

const time = epochSecondsSchema.nullable();

/** Null stands for what is not so, as OpenAI has it. */
export const openAiBatchSchema = z
  .object({
    id: z.string(),
    object: z.literal('batch'),
    endpoint: z.enum(BATCH_ENDPOINTS),
    errors: z.object({ object: z.literal('list'), data: z.array(openAiBatchErrorSchema) }).nullable(),
    input_file_id: z.string(),
    completion_window: z.string(),
    status: z.enum(['validating', 'failed', 'in_progress', 'finalizing', 'completed', 'expired', 'cancelling', 'cancelled']),
    output_file_id: z.string().nullable().meta({ description: 'Lines that succeeded; there when the batch has ended with any.' }),
    error_file_id: z.string().nullable().meta({ description: 'All other lines; there when the batch has ended with any.' }),
    created_at: epochSecondsSchema,
    in_progress_at: time,
    expires_at: epochSecondsSchema,
    finalizing_at: time,
    completed_at: time,
    failed_at: time,
    expired_at: time,
    cancelling_at: time,
    cancelled_at: time,
    request_counts: z
      .object({ total: z.int(), completed: z.int(), failed: z.int() })
      .meta({ description: '`failed` counts lines of the error file, cancelled and expired ones too.' }),
    metadata: jobMetadataSchema.nullable(),
  })
  .meta({ id: 'OpenAiBatch' });

export type OpenAiBatch = z.infer<typeof openAiBatchSchema>;

export const openAiBatchListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(openAiBatchSchema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable().meta({ description: 'Pass as `after` for the next page.' }),
    has_more: z.boolean(),
  })
  .meta({ id: 'OpenAiBatchList' });

export type OpenAiBatchList = z.infer<typeof openAiBatchListSchema>;

export const openAiBatchQuerySchema = z.object({
  after: z.string().optional().meta({ description: 'Id of the last batch of the page before. Default: the first page.' }),
  limit: z.coerce.number().pipe(z.int().min(1).max(100)).default(20).meta({ description: 'Most batches of a page, 1 to 100.' }),
});

export type OpenAiBatchQuery = z.infer<typeof openAiBatchQuerySchema>;

/** A line of an input file. */
export const openAiBatchLineSchema = z
  .object({ custom_id: z.string(), method: z.literal('POST'), url: z.enum(BATCH_ENDPOINTS), body: z.record(z.string(), z.json()) })
  .meta({ id: 'OpenAiBatchLine' });

/** A line of an output file, or of an error file. */
export const openAiBatchResultSchema = z
  .object({
    id: z.string(),
    custom_id: z.string().nullable().meta({ description: 'Null where the line was too damaged to tell.' }),
    response: z.object({ status_code: z.int(), request_id: z.string(), body: z.record(z.string(), z.unknown()) }).nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .meta({ id: 'OpenAiBatchResult' });

export type OpenAiBatchResult = z.infer<typeof openAiBatchResultSchema>;
