import { z } from 'zod';
import { epochSecondsSchema } from '../primitives.js';

/** An error as OpenAI's clients read it. */
export const openAiErrorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.enum(['invalid_request_error', 'authentication_error', 'permission_error', 'rate_limit_error', 'server_error']),
      param: z.string().nullable().meta({ description: 'The field at fault, where there is one.' }),
      code: z.string(),
    }),
  })
  .meta({ id: 'OpenAiError' });

export type OpenAiError = z.infer<typeof openAiErrorSchema>;

/** Seconds that a file may be kept. */
export const FILE_EXPIRY_S = { least: 3_600, most: 30 * 24 * 3_600 } as const;

/** Fields of `POST /v1/files` besides the file. */
export const openAiFileFieldsSchema = z
  .object({
    purpose: z
      .literal('batch', 'must be "batch": files are for batches here')
      .meta({ description: 'No field of ours. `batch` alone: files are for batches here.' }),
    'expires_after[anchor]': z
      .literal('created_at', 'must be "created_at"')
      .optional()
      .meta({ description: 'No field of ours. Where `expires_after[seconds]` begins. Default: `created_at`.' }),
    'expires_after[seconds]': z.coerce
      .number()
      .pipe(
        z
          .int()
          .min(FILE_EXPIRY_S.least, `must be ${FILE_EXPIRY_S.least} to ${FILE_EXPIRY_S.most}`)
          .max(FILE_EXPIRY_S.most, `must be ${FILE_EXPIRY_S.least} to ${FILE_EXPIRY_S.most}`),
      )
      .optional()
      .meta({ description: 'No field of ours. Seconds that the file is kept, an hour to 30 days. Default: 30 days.' }),
  })
  .meta({ id: 'OpenAiFileFields' });

export const openAiFileFormSchema = openAiFileFieldsSchema
  .extend({
    file: z
      .string()
      .meta({ format: 'binary', description: 'Our `requests`, one JSON object a line: `custom_id`, `method`, `url`, `body`.' }),
  })
  .meta({ id: 'OpenAiFileForm' });

export const openAiFileSchema = z
  .object({
    id: z.string(),
    object: z.literal('file'),
    bytes: z.int(),
    created_at: epochSecondsSchema,
    expires_at: epochSecondsSchema.optional(),
    filename: z.string(),
    purpose: z.enum(['batch', 'batch_output']),
    status: z.literal('processed'),
  })
  .meta({ id: 'OpenAiFile' });

export type OpenAiFile = z.infer<typeof openAiFileSchema>;

export const openAiDeletedFileSchema = z
  .object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) })
  .meta({ id: 'OpenAiDeletedFile' });

export type OpenAiDeletedFile = z.infer<typeof openAiDeletedFileSchema>;

const listOf = <Schema extends z.ZodType>(schema: Schema) =>
  z.object({
    object: z.literal('list'),
    data: z.array(schema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable().meta({ description: 'Pass as `after` for the next page.' }),
    has_more: z.boolean(),
  });

export const openAiFileListSchema = listOf(openAiFileSchema).meta({ id: 'OpenAiFileList' });

export type OpenAiFileList = z.infer<typeof openAiFileListSchema>;

export const openAiFileQuerySchema = z.object({
  after: z.string().optional().meta({ description: 'Id of the last file of the page before. Default: the first page.' }),
  limit: z.coerce.number().pipe(z.int().min(1).max(10_000)).default(1_000).meta({ description: 'Most files of a page, 1 to 10,000.' }),
  order: z.enum(['asc', 'desc']).default('desc').meta({ description: 'By the time of creation.' }),
  purpose: z.string().optional().meta({ description: 'Only files of this purpose. Default: all.' }),
});

export type OpenAiFileQuery = z.infer<typeof openAiFileQuerySchema>;
