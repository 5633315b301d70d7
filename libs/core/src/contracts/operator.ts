import { z } from 'zod';
import { epochSecondsSchema, tenantSchema } from './primitives.js';

/** What a key may allow. `admin` is for its own tenant, `operator` for the fleet and for all tenants. */
export const SCOPES = ['search', 'jobs', 'ingest', 'admin', 'operator'] as const;

export const scopeSchema = z.enum(SCOPES);

export type Scope = z.infer<typeof scopeSchema>;

/** `express`: the first slices of tenants that came with nothing in hand. */
export const queueKindSchema = z.enum(['sync', 'batch', 'express', 'ingest', 'webhooks']);

export const queueSchema = z
  .object({
    object: z.literal('queue'),
    name: z.string().meta({ examples: ['sync-default'] }),
    kind: queueKindSchema,
    pool: z.string().optional().meta({ description: 'Absent where workers of all pools take from it.' }),
    paused: z.boolean(),
    waiting: z.int().meta({ description: 'Tasks that no worker has taken, without those of the next two.' }),
    prioritized: z.int().meta({ description: 'Tasks that wait with a priority.' }),
    delayed: z.int().meta({ description: 'Tasks that failed and wait for their next attempt.' }),
    active: z.int().meta({ description: 'Tasks in the hands of workers.' }),
    failed: z.int().meta({ description: 'Tasks that will not be tried again.' }),
    oldest_age_s: z.number().meta({ description: 'How long the task that goes next has waited; 0 where none waits.' }),
  })
  .meta({ id: 'Queue' });

export const queueListSchema = z.object({ object: z.literal('list'), data: z.array(queueSchema) }).meta({ id: 'QueueList' });

export const drainedQueueSchema = queueSchema
  .extend({
    drained: z
      .int()
      .meta({ description: 'Tasks that were taken out; whoever waited for them was told. Deletions that wait to be tried again stay.' }),
  })
  .meta({ id: 'DrainedQueue' });

export const deadLetterSchema = z
  .object({
    object: z.literal('dead_letter'),
    id: z.string().meta({ examples: ['ingest.job_0190b2f7c1a0d3f1b9e2c4a5d6e7f809-0'] }),
    queue: z.string(),
    kind: queueKindSchema,
    tenant: z.string().optional(),
    job_id: z.string().optional(),
    slice: z.int().optional().meta({ description: 'Which part of the job it was.' }),
    corpus: z.string().optional().meta({ description: 'Of a deletion of documents, which is of no job.' }),
    attempts: z.int(),
    failed_at: epochSecondsSchema,
    detail: z.string().meta({ description: 'The last fault, as the worker told it.' }),
  })
  .meta({ id: 'DeadLetter' });

export const deadLetterListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(deadLetterSchema),
    total: z.int().meta({ description: 'Of the queues that were asked for.' }),
    has_more: z.boolean(),
  })
  .meta({ id: 'DeadLetterList' });

export const deadLetterQuerySchema = z.strictObject({
  queue: z.string().optional().meta({ description: 'Of this queue only. Default: of all.' }),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).meta({ description: 'Most dead letters of the answer.' }),
});

export const retriedDeadLetterSchema = z
  .object({
    object: z.literal('dead_letter.retried'),
    id: z.string(),
    queue: z.string(),
    job_id: z.string().optional().meta({ description: 'Absent where it was of no job.' }),
    retry_job_id: z.string().optional().meta({ description: 'The new job of the errored requests, of a slice whose rows had ended.' }),
  })
  .meta({ id: 'RetriedDeadLetter' });

const keyNameSchema = z.string().trim().min(1).max(128);
const syncTokensSchema = z.int().min(1_000).max(1_000_000_000_000);

export const createKeyRequestSchema = z
  .strictObject({
    tenant: tenantSchema.meta({
      description:
        'Whose corpora, jobs and budget the key is for: 1 to 63 of a-z, 0-9 and -, the first no hyphen. A new name is a new tenant.',
    }),
    scopes: z.array(scopeSchema).min(1).max(SCOPES.length).meta({
      description:
        'What it allows: `search` (search, rerank, models), `jobs` (batch jobs, files), `ingest` (documents), `admin` (corpora and reindexes of its tenant), `operator` (the fleet, and all tenants).',
    }),
    name: keyNameSchema.optional().meta({ description: 'For people who read the list. Default: none.' }),
    expires_in_s: z
      .int()
      .min(60)
      .max(315_360_000)
      .optional()
      .meta({ description: 'Seconds after which it is worth nothing. Absent: never.' }),
    sync_tokens: syncTokensSchema.optional().meta({
      description:
        'A call with this key is let in while the calls of its tenant have at most so many tokens; TENANT_SYNC_TOKENS holds besides. Default: that alone.',
    }),
  })
  .meta({ id: 'CreateKeyRequest' });

export const apiKeyBodySchema = z
  .object({
    object: z.literal('api_key'),
    id: z.string().meta({ examples: ['key_3f9c2b7d1e6a4058'] }),
    source: z.enum(['api', 'configuration']).meta({ description: 'Keys of the configuration cannot be removed here.' }),
    name: z.string().optional(),
    tenant: z.string(),
    scopes: z.array(scopeSchema),
    hint: z
      .string()
      .optional()
      .meta({ description: 'Its first and last characters.', examples: ['rf_Zk3…9xQw'] }),
    sync_tokens: z.int().optional(),
    created_at: epochSecondsSchema.optional(),
    expires_at: epochSecondsSchema.optional(),
    expired: z.boolean(),
  })
  .meta({ id: 'ApiKey' });

export const createdKeySchema = apiKeyBodySchema
  .extend({ key: z.string().meta({ description: 'The key itself. It is shown this once; only its digest is kept.' }) })
  .meta({ id: 'CreatedApiKey' });

export const apiKeyListSchema = z
  .object({
    object: z.literal('list'),
    keys_required: z.boolean().meta({ description: 'False: a server without API_KEYS on loopback, which answers without a key too.' }),
    data: z.array(apiKeyBodySchema),
    unreadable: z
      .array(z.string())
      .optional()
      .meta({ description: 'Ids of keys whose entry is damaged. They open nothing; delete them, and make others.' }),
  })
  .meta({ id: 'ApiKeyList' });

/** What the service makes of whoever asks. */
export const whoamiSchema = z
  .object({
    object: z.literal('whoami'),
    tenant: z.string(),
    scopes: z.array(scopeSchema),
    key: apiKeyBodySchema
      .pick({ id: true, source: true, name: true, sync_tokens: true, expires_at: true })
      .optional()
      .meta({ description: 'The key that was sent. Absent where a server without API_KEYS answered without one.' }),
  })
  .meta({ id: 'Whoami' });

export type QueueKind = z.infer<typeof queueKindSchema>;
export type QueueBody = z.infer<typeof queueSchema>;
export type QueueListBody = z.infer<typeof queueListSchema>;
export type DrainedQueueBody = z.infer<typeof drainedQueueSchema>;
export type DeadLetterBody = z.infer<typeof deadLetterSchema>;
export type DeadLetterListBody = z.infer<typeof deadLetterListSchema>;
export type DeadLetterQuery = z.infer<typeof deadLetterQuerySchema>;
export type RetriedDeadLetterBody = z.infer<typeof retriedDeadLetterSchema>;
export type CreateKeyRequest = z.infer<typeof createKeyRequestSchema>;
export type ApiKeyBody = z.infer<typeof apiKeyBodySchema>;
export type CreatedKeyBody = z.infer<typeof createdKeySchema>;
export type ApiKeyListBody = z.infer<typeof apiKeyListSchema>;
export type WhoamiBody = z.infer<typeof whoamiSchema>;
