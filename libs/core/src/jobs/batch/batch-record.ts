import { z } from 'zod';
import { BATCH_JOB_STATUSES, WEBHOOK_STATUSES, jobDefaultsSchema, jobMetadataSchema, requestCountsSchema } from '../../contracts/index.js';

/** A slice ends at whichever bound comes first: it is what a worker takes at once, and what is done again when the worker dies. */
export const SLICE_BOUNDS = { pairs: 1_024, rows: 256, bytes: 4_194_304 } as const;

/** `job.json`: never changes. */
export const batchRecordSchema = z.object({
  v: z.literal(1),
  id: z.string(),
  tenant: z.string(),
  /** Which routes answer for the job: ours, or OpenAI's. */
  dialect: z.enum(['native', 'openai']),
  /** Folder of the rows. */
  upload: z.string(),
  pool: z.string(),
  priority: z.int(),
  defaults: jobDefaultsSchema.optional(),
  metadata: jobMetadataSchema.optional(),
  webhook: z.object({ url: z.string(), secret: z.string() }).optional(),
  retry_of: z.string().optional(),
  /** SHA-256 of the idempotency key that stands for the job. */
  idempotency: z.string().optional(),
  /** W3C trace context of the submission. */
  traceparent: z.string().optional(),
  created_ms: z.number(),
  expires_ms: z.number(),
  /** Rows, bad ones included. */
  total: z.int(),
  rejected: z.int(),
  slices: z.int(),
  /** Estimates, as admission took them. */
  pairs: z.int(),
  tokens: z.int(),
  /** Of the upload in the blob store. */
  bytes: z.int(),
  /** The OpenAI dialect's own: its input file, its endpoint. */
  openai: z.object({ input_file_id: z.string(), endpoint: z.string(), completion_window: z.string() }).optional(),
});

export type BatchRecord = z.infer<typeof batchRecordSchema>;

/** An entry of `slices.json`: bytes `[start, end)` of `requests.ndjson`. */
export const sliceEntrySchema = z.object({
  start: z.int(),
  end: z.int(),
  /** Row of its first line, as the client counts. */
  first_row: z.int(),
  rows: z.int(),
  pairs: z.int(),
});
export type SliceEntry = z.infer<typeof sliceEntrySchema>;
export const sliceIndexSchema = z.array(sliceEntrySchema);

/** First line of a slice's results: what the ledger counts, so that it can be told from blobs alone. */
export const sliceHeaderSchema = z.object({
  v: z.literal(1),
  slice: z.int(),
  succeeded: z.int(),
  errored: z.int(),
  cancelled: z.int(),
  expired: z.int(),
  pairs: z.int(),
});
export type SliceHeader = z.infer<typeof sliceHeaderSchema>;

/** `done.json`: never changes. */
export const batchDoneSchema = z.object({
  status: z.enum(BATCH_JOB_STATUSES),
  request_counts: requestCountsSchema,
  pairs_done: z.int(),
  started_ms: z.number().optional(),
  ended_ms: z.number(),
  /** Bitmap of the slices whose results count, base64, bit 0 of byte 0 the most significant, as Redis has it. Rows of the others ended with the job. */
  done_slices: z.string(),
  /** What became of the rows of all other slices. */
  rest: z.enum(['cancelled', 'expired', 'errored']).optional(),
  error: z.object({ code: z.string(), detail: z.string() }).optional(),
});
export type BatchDone = z.infer<typeof batchDoneSchema>;

/** `webhook.json`: replaced by each attempt. */
export const webhookStateSchema = z.object({
  status: z.enum(WEBHOOK_STATUSES),
  attempts: z.int(),
  /** HTTP status of the last answer, where there was one. */
  last_status: z.int().optional(),
  /** Why it was not delivered. */
  detail: z.string().optional(),
});
export type WebhookState = z.infer<typeof webhookStateSchema>;
