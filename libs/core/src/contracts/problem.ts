import { z } from 'zod';
import { ERROR_CODES } from '../errors/index.js';

/** Body of every error of our own routes: RFC 9457, with a stable `code`. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    message: z.string().meta({ description: 'The same as `detail`, for clients that look here.' }),
    code: z.enum(ERROR_CODES as [string, ...string[]]),
    instance: z.string().meta({ description: 'The request id.' }),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .meta({ id: 'Problem' });

export type Problem = z.infer<typeof problemSchema>;
