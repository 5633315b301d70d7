import { z } from 'zod';
import { ERROR_CODES } from '../errors/index.js';
import { jobMetadataSchema, JOB_PRIORITY } from './jobs.js';
import { jsonSchema, nonBlankTextSchema } from './primitives.js';
import { rerankRequestSchema, rerankResponseSchema } from './rerank.js';
import { searchRequestSchema, searchResponseSchema } from './search.js';

/** Most requests of a job that is sent as one JSON body; longer ones are streamed as NDJSON. */
export const MAX_JSON_REQUESTS = 1_000;
/** Longest life that a job may ask for, and what it has when it asks for none. */
export const JOB_EXPIRY_S = { standard: 24 * 3_600, longest: 30 * 24 * 3_600 } as const;

export const customIdSchema = nonBlankTextSchema
  .max(256, 'must have at most 256 characters')
  .meta({ description: 'Yours, unique in the job: names the request in the results.' });

/** A job has one life, `expires_in_s`; a request of it has none of its own. */
const NO_TIMEOUT = {
  timeout_ms: z
    .never('has no use in a job; expires_in_s bounds the whole job')
    .optional()
    .meta({ description: 'Refused in a job: `expires_in_s` bounds the whole job.' }),
};

/** What is left out of a request is taken from the job's `defaults` before it is checked. */
export const jobSearchRowSchema = searchRequestSchema.safeExtend({ custom_id: customIdSchema, ...NO_TIMEOUT });
export const jobRerankRowSchema = rerankRequestSchema.safeExtend({ custom_id: customIdSchema, ...NO_TIMEOUT }).strict();

export type JobSearchRow = z.infer<typeof jobSearchRowSchema>;
export type JobRerankRow = z.infer<typeof jobRerankRowSchema>;
/** A row with `documents` is a rerank, any other a search. */
export type JobRow = JobSearchRow | JobRerankRow;

export const jobDefaultsSchema = z
  .record(z.string(), jsonSchema)
  .refine((defaults) => !('custom_id' in defaults), { path: ['custom_id'], message: 'must be each request’s own' })
  .meta({
    description:
      'Fields of a search or a rerank that requests may leave out, such as corpus, model, top_k, top_n. A rerank takes those that it knows.',
  });

/** Everything of a submission but its requests. */
export const jobOptionsSchema = z
  .strictObject({
    defaults: jobDefaultsSchema.optional(),
    priority: z.int().min(JOB_PRIORITY.least).max(JOB_PRIORITY.most).default(JOB_PRIORITY.standard).meta({
      description: 'Orders the jobs of a tenant; lower goes first. A step is worth a minute of waiting, so that none waits for ever.',
    }),
    expires_in_s: z.int().min(1).max(JOB_EXPIRY_S.longest).default(JOB_EXPIRY_S.standard).meta({
      description: 'Seconds that the job may take: a day by default, 30 days at most. Requests that are not done by then end as expired.',
    }),
    strict: z.boolean().default(false).meta({ description: 'One bad request refuses the whole job; nothing is kept.' }),
    webhook: z
      .strictObject({
        url: z
          .url({ protocol: /^https?$/ })
          .max(2_048)
          .meta({ description: 'Gets a POST of the final job. Private addresses are refused, unless the server allows them.' }),
        secret: z
          .string()
          .min(16, 'needs at least 16 characters')
          .max(256)
          .meta({ description: 'Key of the HMAC-SHA256 in `X-Signature`. Never shown again.' }),
      })
      .optional()
      .meta({ description: 'Who is told when the job has ended. Tried again for about a day.' }),
    metadata: jobMetadataSchema.optional(),
  })
  .meta({ id: 'JobOptions' });

export type JobOptions = z.infer<typeof jobOptionsSchema>;

/** The JSON form. Requests are checked one by one, so that a bad one does not sink the job. */
export const submitJobSchema = jobOptionsSchema
  .safeExtend({
    requests: z
      .array(jsonSchema)
      .min(1, 'must hold at least one request')
      .max(MAX_JSON_REQUESTS, `holds more than ${MAX_JSON_REQUESTS} requests; send them as application/x-ndjson, one a line`)
      .meta({ description: 'Bodies of searches and reranks, each with a `custom_id`. A bad one becomes an errored result.' }),
  })
  .meta({ id: 'SubmitJob' });

/** First line of an NDJSON submission, where it has options. */
export const jobHeaderLineSchema = z
  .strictObject({ job: jobOptionsSchema.meta({ description: 'Options of the job: a submission in JSON has them beside `requests`.' }) })
  .meta({ id: 'JobHeaderLine' });

const rowErrorSchema = z.object({
  code: z.enum(ERROR_CODES as [string, ...string[]]),
  message: z.string(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
});

export const ROW_STATUSES = ['succeeded', 'errored', 'cancelled', 'expired'] as const;
export type RowStatus = (typeof ROW_STATUSES)[number];

/** A line of `GET /v1/jobs/{id}/results`. */
export const jobResultLineSchema = z
  .object({
    custom_id: z.string().optional().meta({ description: 'Absent where the row was too damaged to tell.' }),
    row: z.int().min(1).meta({ description: 'Line of the upload, or position in `requests`, from 1.' }),
    status: z.enum(ROW_STATUSES),
    result: z.union([searchResponseSchema, rerankResponseSchema]).optional(),
    error: rowErrorSchema.optional(),
    cursor: z.string().meta({ description: 'Pass as `after` to go on behind this line.' }),
  })
  .meta({ id: 'JobResultLine' });

export type JobResultLine = z.infer<typeof jobResultLineSchema>;
/** As a worker or the upload writes it; the cursor is the reader's. */
export type StoredResultLine = Omit<JobResultLine, 'cursor'>;

export const jobEstimateSchema = z
  .object({
    requests: z.int(),
    rejected: z.int(),
    pairs: z.int(),
    tokens: z.int(),
    seconds: z
      .number()
      .optional()
      .meta({ description: 'On the workers that are live now, with nothing else to do; absent where none is.' }),
    errors: z.array(z.object({ row: z.int(), code: z.string(), detail: z.string() })).meta({ description: 'The first 20 bad requests.' }),
  })
  .meta({ id: 'JobEstimate' });

export type JobEstimateBody = z.infer<typeof jobEstimateSchema>;
