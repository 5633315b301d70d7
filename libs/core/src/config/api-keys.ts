import { z } from 'zod';
import { SCOPES, scopeSchema, tenantSchema, type Scope } from '../contracts/index.js';

export const apiKeySchema = z
  .strictObject({
    key: z.string().min(16, 'needs at least 16 characters').optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits')
      .optional(),
    tenant: tenantSchema,
    scopes: z.array(scopeSchema).min(1),
    /** A call is let in while those of its tenant have at most so many tokens. */
    sync_tokens: z.int().min(1_000).optional(),
  })
  .refine((entry) => (entry.key === undefined) !== (entry.sha256 === undefined), 'needs either key or sha256');

export type ApiKey = z.infer<typeof apiKeySchema>;
export type { Scope };
export const ALL_SCOPES: readonly Scope[] = SCOPES;
