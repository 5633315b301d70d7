import { z } from 'zod';
import { tenantSchema } from '../contracts/index.js';

const SCOPES = ['search', 'jobs', 'ingest', 'admin', 'operator'] as const;

export const apiKeySchema = z
  .strictObject({
    key: z.string().min(16, 'needs at least 16 characters').optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits')
      .optional(),
    tenant: tenantSchema,
    scopes: z.array(z.enum(SCOPES)).min(1),
  })
  .refine((entry) => (entry.key === undefined) !== (entry.sha256 === undefined), 'needs either key or sha256');

export type ApiKey = z.infer<typeof apiKeySchema>;
export type Scope = (typeof SCOPES)[number];
export const ALL_SCOPES: readonly Scope[] = SCOPES;
