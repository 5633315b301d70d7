import { z } from 'zod';
import { retrieversSchema } from '../retrievers.js';
import { redisUrl } from './redis-url.js';
import { field, flag, int } from './field.js';

export const redis = {
  url: field({
    env: 'REDIS_URL',
    secret: true,
    description:
      'Redis 6.2 or later with noeviction and persistence: redis://[user:password@]host[:port][/db], unix:///path, redis+sentinel://host:port,…/master, redis+cluster://host:port,…; rediss… for TLS, with ?ca=, cert=, key= (paths) and servername=. Not set: `rerank up` starts a private one; a process alone looks on 127.0.0.1:6379.',
    schema: redisUrl.optional(),
  }),
} as const;

export const state = {
  directory: field({
    env: 'RERANK_STATE_DIR',
    description: 'Everything the embedded stack keeps: Redis, documents, index, blobs.',
    schema: z.string().default('.rerank'),
  }),
} as const;

export const stores = {
  qdrantUrl: field({
    env: 'QDRANT_URL',
    description: 'Qdrant 1.18 or later. Not set: the embedded store in the state directory.',
    schema: z.url({ protocol: /^https?$/ }).optional(),
  }),
  qdrantApiKey: field({ env: 'QDRANT_API_KEY', secret: true, description: 'API key of Qdrant.', schema: z.string().optional() }),
  qdrantTimeoutMs: field({
    env: 'QDRANT_TIMEOUT_MS',
    unit: 'ms',
    description: 'Longest call to Qdrant.',
    schema: int(100, 600_000).default(10_000),
  }),
  blobUrl: field({
    env: 'BLOB_URL',
    description:
      'Where uploads and jobs are kept: file:///path, or s3://bucket/prefix with `region`, `endpoint` and `path_style` after a question mark. Default: `blobs` in the state directory.',
    schema: z.url({ protocol: /^(file|s3)$/ }).optional(),
  }),
  s3Endpoint: field({
    env: 'S3_ENDPOINT',
    description: 'Server that speaks the S3 protocol, where it is not AWS.',
    schema: z.url({ protocol: /^https?$/ }).optional(),
  }),
  s3Region: field({
    env: 'S3_REGION',
    description: 'Region of the bucket. Default: as the AWS SDK finds it; us-east-1 where there is an endpoint.',
    schema: z
      .string()
      .regex(/^[a-z0-9-]+$/, 'must be lower-case letters, digits and hyphens')
      .optional(),
  }),
  s3PathStyle: field({
    env: 'S3_PATH_STYLE',
    description: 'The bucket stands in the path instead of in the name of the host. Default: true where there is an endpoint.',
    schema: flag.optional(),
  }),
  s3AccessKeyId: field({
    env: 'S3_ACCESS_KEY_ID',
    secret: true,
    description: 'Access key of S3. Default: as the AWS SDK finds credentials (environment, shared configuration, web identity, role).',
    schema: z.string().optional(),
  }),
  s3SecretAccessKey: field({
    env: 'S3_SECRET_ACCESS_KEY',
    secret: true,
    description: 'Secret of the access key.',
    schema: z.string().optional(),
  }),
  s3TimeoutMs: field({
    env: 'S3_TIMEOUT_MS',
    unit: 'ms',
    description: 'Longest silence of S3 within a call; a call is tried three times.',
    schema: int(100, 600_000).default(10_000),
  }),
} as const;

export const retrievers = {
  connections: field({
    env: 'RETRIEVERS',
    secret: true,
    description:
      'First stages elsewhere that corpora may name (docs/retrievers.md): JSON array of {"name", "kind": "elasticsearch", "opensearch" or "http", "url", …}, or the path of a file that holds it. Needed by workers only.',
    schema: retrieversSchema.optional().transform((value) => value ?? []),
  }),
} as const;
