import { z } from 'zod';
import { ERROR_CODES } from '../errors/index.js';
import { epochSecondsSchema } from './primitives.js';

const errorCodeSchema = z.enum(ERROR_CODES as [string, ...string[]]);

/** An upload of documents as clients see it. */
export const ingestJobSchema = z
  .object({
    id: z.string(),
    object: z.literal('job'),
    kind: z.literal('ingest'),
    corpus: z.string(),
    status: z.enum(['queued', 'in_progress', 'completed', 'failed']),
    request_counts: z.object({ total: z.int(), processing: z.int(), succeeded: z.int(), errored: z.int() }),
    errors: z
      .array(z.object({ line: z.int(), document_id: z.string().optional(), code: errorCodeSchema, detail: z.string() }))
      .meta({ description: 'The first 100 documents that were not stored, and why. Lines count from 1.' }),
    unchanged: z
      .int()
      .optional()
      .meta({ description: 'Of those that succeeded, how many were there already as they are, and needed no embedding.' }),
    progress: z
      .object({
        documents_per_s: z.number().meta({ description: 'By the slices that are done.' }),
        eta_s: z.int().meta({ description: 'Seconds until the end at that speed.' }),
      })
      .optional()
      .meta({ description: 'While the job runs, as soon as it is known.' }),
    created_at: epochSecondsSchema,
    completed_at: epochSecondsSchema.optional(),
    urls: z.object({ self: z.string() }),
  })
  .meta({ id: 'IngestJob' });

export type IngestJobBody = z.infer<typeof ingestJobSchema>;

export const BATCH_JOB_STATUSES = [
  'queued',
  'in_progress',
  'finalizing',
  'completed',
  'failed',
  'expired',
  'cancelling',
  'cancelled',
] as const;
export type BatchJobStatus = (typeof BATCH_JOB_STATUSES)[number];

/** A job never leaves one of these. */
export const ENDED_STATUSES: ReadonlySet<string> = new Set<BatchJobStatus>(['completed', 'failed', 'expired', 'cancelled']);

export const requestCountsSchema = z
  .object({ total: z.int(), processing: z.int(), succeeded: z.int(), errored: z.int(), cancelled: z.int(), expired: z.int() })
  .meta({
    id: 'RequestCounts',
    description: 'Requests of the job by how they ended; `processing` have not ended. They add up to `total`.',
  });

export type RequestCounts = z.infer<typeof requestCountsSchema>;

/** At most 16 pairs, as those who group jobs by them keep them short. */
export const jobMetadataSchema = z
  .record(z.string().min(1).max(64), z.string().max(512))
  .refine((metadata) => Object.keys(metadata).length <= 16, 'must have at most 16 entries')
  .meta({ description: 'Yours: comes back with the job. At most 16 entries; keys to 64, values to 512 characters.' });

/** Job priorities; lower goes first. */
export const JOB_PRIORITY = { least: 0, standard: 50, most: 100 } as const;

export const WEBHOOK_STATUSES = ['retrying', 'delivered', 'refused', 'failed'] as const;

/** Of a job's webhook, without its secret. */
const jobWebhookSchema = z.object({
  url: z.string(),
  status: z.enum(WEBHOOK_STATUSES).optional().meta({
    description:
      'Absent before the first attempt. `refused`: turned down for good by the receiver or for its address; `failed`: not delivered within a day.',
  }),
  attempts: z.int().optional(),
  last_status: z.int().optional().meta({ description: 'HTTP status of the last answer, where there was one.' }),
  detail: z.string().optional().meta({ description: 'Why it was not delivered.' }),
});

/** A batch of searches and reranks as clients see it. */
export const batchJobSchema = z
  .object({
    id: z.string(),
    object: z.literal('job'),
    kind: z.literal('batch'),
    status: z.enum(BATCH_JOB_STATUSES),
    retry_of: z.string().optional().meta({ description: 'The job whose errored requests these are.' }),
    request_counts: requestCountsSchema,
    progress: z.object({
      pairs_done: z.int(),
      pairs_total: z.int().optional().meta({ description: 'As estimated when the job was accepted.' }),
      eta_s: z.int().optional().meta({ description: 'Seconds until the end, by the speed so far; absent while nothing is known.' }),
    }),
    priority: z.int(),
    metadata: jobMetadataSchema.optional(),
    webhook: jobWebhookSchema.optional(),
    error: z.object({ code: errorCodeSchema, detail: z.string() }).optional().meta({ description: 'Why the job itself failed.' }),
    created_at: epochSecondsSchema,
    in_progress_at: epochSecondsSchema.optional(),
    ended_at: epochSecondsSchema.optional(),
    expires_at: epochSecondsSchema.meta({ description: 'What is not done by then ends as expired.' }),
    urls: z.object({ self: z.string(), results: z.string(), events: z.string() }),
  })
  .meta({ id: 'BatchJob' });

export type BatchJobBody = z.infer<typeof batchJobSchema>;

export const jobSchema = z.discriminatedUnion('kind', [batchJobSchema, ingestJobSchema]).meta({ id: 'Job' });
export type JobBody = z.infer<typeof jobSchema>;

export const jobListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(jobSchema),
    has_more: z.boolean(),
    next: z.string().optional().meta({ description: 'Pass as `after` for the next page.' }),
  })
  .meta({ id: 'JobList' });

export type JobListBody = z.infer<typeof jobListSchema>;
