import { z } from 'zod';
import { modelNameSchema, tenantSchema } from '../contracts/index.js';
import { parseCidr } from '../webhooks/ip-address.js';
import { retrieversSchema } from './retrievers.js';
import { parseRedisUrl } from './redis-address.js';

/** One setting: its variable, what it means, and how its text is read. The documentation pages are generated from this table. */
export interface Field<Schema extends z.ZodType = z.ZodType> {
  readonly env: string;
  readonly description: string;
  /** Of the value, where it has one. */
  readonly unit?: 's' | 'ms' | 'bytes' | 'tokens' | 'threads';
  readonly secret?: boolean;
  /** Reads the variable's text; `undefined` when it is not set or empty. Holds the default and the bounds. */
  readonly schema: Schema;
}

const field = <Schema extends z.ZodType>(definition: Field<Schema>): Field<Schema> => definition;

/** Whole numbers are digits only: `1e3`, ` 8 ` and `0x10` are refused rather than guessed. */
const int = (min: number, max: number) =>
  z.string().regex(/^\d+$/, 'must be a whole number').transform(Number).pipe(z.int().min(min).max(max));

const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

const redisUrl = z.string().superRefine((url, context) => {
  try {
    parseRedisUrl(url);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as RangeError).message });
  }
});

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

const aliases = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('must be a JSON object of name to model');
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string(), modelNameSchema));

const weights = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('must be a JSON object of tenant to weight');
      return z.NEVER;
    }
  })
  .pipe(z.record(tenantSchema, z.number().min(0.01).max(1_000)));

export const FIELDS = {
  http: {
    host: field({
      env: 'HOST',
      description: 'Address the API binds to. Beyond loopback, API_KEYS is needed.',
      schema: z.string().default('127.0.0.1'),
    }),
    port: field({ env: 'PORT', description: 'Port of the API; 0 picks a free one.', schema: int(0, 65_535).default(8080) }),
    syncTimeoutMs: field({
      env: 'SYNC_TIMEOUT_MS',
      unit: 'ms',
      description: 'Deadline of a sync call that names none, and the longest one it may name.',
      schema: int(100, 600_000).default(60_000),
    }),
    maxDocuments: field({ env: 'MAX_DOCUMENTS', description: 'Most documents in one rerank call.', schema: int(1, 10_000).default(1_000) }),
    maxBodyBytes: field({
      env: 'MAX_BODY_BYTES',
      unit: 'bytes',
      description: 'Largest JSON body, also after unpacking gzip. Streamed NDJSON is not bound by it.',
      schema: int(1_024, 1_073_741_824).default(33_554_432),
    }),
    maxIngestBytes: field({
      env: 'MAX_INGEST_BYTES',
      unit: 'bytes',
      description: 'Largest streamed NDJSON upload of documents.',
      schema: int(1_024, 1_099_511_627_776).default(4_294_967_296),
    }),
  },
  streams: {
    idleMs: field({
      env: 'STREAM_IDLE_MS',
      unit: 'ms',
      description: 'How long a client may leave a streamed answer (results, events) unread before its connection is closed.',
      schema: int(100, 3_600_000).default(60_000),
    }),
  },
  auth: {
    keys: field({
      env: 'API_KEYS',
      secret: true,
      description:
        'JSON array of {"key" or "sha256", "tenant", "scopes"}, or the path of a file that holds it. None is needed on a loopback bind.',
      schema: z.string().optional(),
    }),
  },
  redis: {
    url: field({
      env: 'REDIS_URL',
      secret: true,
      description:
        'Redis 6.2 or later with noeviction and persistence: redis://[user:password@]host[:port][/db], unix:///path, redis+sentinel://host:port,…/master, redis+cluster://host:port,…; rediss… for TLS, with ?ca=, cert=, key= (paths) and servername=. Not set: `rerank up` starts a private one; a process alone looks on 127.0.0.1:6379.',
      schema: redisUrl.optional(),
    }),
  },
  ops: {
    host: field({
      env: 'OPS_HOST',
      description:
        'Address that OPS_PORT binds to. It asks for no key, so beyond loopback (0.0.0.0 in a container) only the cluster should reach it.',
      schema: z.string().default('127.0.0.1'),
    }),
    port: field({
      env: 'OPS_PORT',
      description:
        'Port of the API, and of a worker, for /metrics, /health/live and /health/ready, and of the API for /v1/scaling; 0 picks a free one, which the log names. Not set: there is none. `rerank up` gives the API this port and the workers those after it.',
      schema: int(0, 65_535).optional(),
    }),
  },
  state: {
    directory: field({
      env: 'RERANK_STATE_DIR',
      description: 'Everything the embedded stack keeps: Redis, documents, index, blobs.',
      schema: z.string().default('.rerank'),
    }),
  },
  stores: {
    qdrantUrl: field({
      env: 'QDRANT_URL',
      description: 'Qdrant 1.16 or later. Not set: the embedded store in the state directory.',
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
  },
  retrievers: {
    connections: field({
      env: 'RETRIEVERS',
      secret: true,
      description:
        'First stages elsewhere that corpora may name (docs/retrievers.md): JSON array of {"name", "kind": "elasticsearch", "opensearch" or "http", "url", …}, or the path of a file that holds it. Needed by workers only.',
      schema: retrieversSchema.optional().transform((value) => value ?? []),
    }),
  },
  models: {
    directory: field({
      env: 'MODELS_DIR',
      description: 'Folder of models in Hugging Face ONNX layout, one folder a model; looked at before the cache.',
      schema: z.string().optional(),
    }),
    cacheHome: field({
      env: 'XDG_CACHE_HOME',
      description: 'Pulled models and the packaged redis-server are kept under `rerank-fleet` in it. Default: `~/.cache`.',
      schema: z.string().optional(),
    }),
    hubEndpoint: field({
      env: 'HF_ENDPOINT',
      description: 'Model hub.',
      schema: z.url({ protocol: /^https?$/ }).default('https://huggingface.co'),
    }),
    hubToken: field({ env: 'HF_TOKEN', secret: true, description: 'Token for the hub.', schema: z.string().optional() }),
    aliases: field({
      env: 'MODEL_ALIASES',
      description:
        'JSON object: names that clients send → model served, e.g. {"rerank-v3.5":"ms-marco-MiniLM-L-12-v2"}. Names of Cohere’s, Jina’s and Voyage’s rerankers that are not in it go to the default model.',
      schema: aliases.optional().transform((value) => value ?? {}),
    }),
  },
  worker: {
    pool: field({
      env: 'WORKER_POOL',
      description: 'Pool that this worker joins; workers of a pool hold the same models.',
      schema: z
        .string()
        .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and hyphens')
        .default('default'),
    }),
    rerankModels: field({
      env: 'RERANK_MODELS',
      description:
        'Cross-encoders of this worker: names or folders, separated by commas; the first is the default. A name may end in @int8, @fp16 or @fp32; without, a CPU gets int8 and a GPU fp16, else fp32.',
      schema: list.pipe(z.array(modelNameSchema).min(1)).default(['ms-marco-MiniLM-L-12-v2']),
    }),
    embeddingModels: field({
      env: 'EMBEDDING_MODEL',
      description:
        'Embedders of this worker: names or folders, separated by commas, with a precision as in RERANK_MODELS; the first is the default of new corpora. A corpus that is reindexed with another embedder needs workers that hold both.',
      schema: list.pipe(z.array(modelNameSchema).min(1)).default(['bge-small-en-v1.5']),
    }),
    device: field({
      env: 'DEVICE',
      description: 'Execution provider. A GPU that was asked for and did not load stops the worker.',
      schema: z.enum(['cpu', 'cuda', 'webgpu']).default('cpu'),
    }),
    inferenceThreads: field({
      env: 'INFERENCE_THREADS',
      unit: 'threads',
      description: 'Threads that each hold a session. Default: tuned on a CPU, starting from one a core; a GPU takes one.',
      schema: int(1, 256).optional(),
    }),
    intraOpThreads: field({
      env: 'INTRA_OP_THREADS',
      unit: 'threads',
      description: 'Cores that one session uses. Default: tuned on a CPU when INFERENCE_THREADS is not set either, else 1.',
      schema: int(1, 256).optional(),
    }),
    tokenizerThreads: field({
      env: 'TOKENIZER_THREADS',
      unit: 'threads',
      description: 'Threads that tokenize.',
      schema: int(1, 64).default(1),
    }),
    autoTune: field({
      env: 'AUTO_TUNE',
      description:
        'Time the default reranker at the first start on a machine and pick the batch budget and threads that are not set; later starts read the choice from the cache.',
      schema: flag.default(true),
    }),
    fastGraph: field({
      env: 'FAST_GRAPH',
      description:
        'Run cross-encoders by a faster graph of the same weights: the last layer only where it is read, and on a CPU without one of the runtime’s fusions. A sixth less CPU; an int8 logit moves by less than its batch mates move it. Requests with `deterministic` always run the file as it is, which is loaded with the first of them.',
      schema: flag.default(true),
    }),
    maxBatchTokens: field({
      env: 'MAX_BATCH_TOKENS',
      unit: 'tokens',
      description:
        'Padded tokens of a batch: longest pair × pairs. Default: tuned at the first start (AUTO_TUNE), else 1,024 on a CPU and 16,384 on a GPU. A number given here also leaves the threads as they are.',
      schema: int(16, 4_194_304).optional(),
    }),
    maxBatchDelayMs: field({
      env: 'MAX_BATCH_DELAY_MS',
      unit: 'ms',
      description: 'Longest wait of a pair for batch mates while an inference thread is idle.',
      schema: int(0, 10_000).default(2),
    }),
    batchTimeoutMs: field({
      env: 'BATCH_TIMEOUT_MS',
      unit: 'ms',
      description: 'A batch that runs longer ends the worker, and its supervisor starts a new one.',
      schema: int(1_000, 3_600_000).default(120_000),
    }),
    deterministic: field({
      env: 'DETERMINISTIC',
      description:
        'Score one pair a run unless a request says otherwise. Where a model is int8, a logit otherwise depends on the pairs in its batch, which are other tenants’ too: by 0.14 on average and 0.91 at most on TREC DL 2019, without a change in nDCG@10. A quarter slower.',
      schema: flag.default(false),
    }),
    earlyExit: field({
      env: 'EARLY_EXIT',
      description:
        'Let requests with `effort` balanced or fast run models in segments, where a model can be cut and has heads (`rerank exits fit`). Loaded with the first such request; false runs all layers for all.',
      schema: flag.default(true),
    }),
    earlyExitMemoryMb: field({
      env: 'EARLY_EXIT_MEMORY_MB',
      description:
        'Megabytes for the hidden states of pairs between two segments, of each model: about 1.5 KB a token for a width of 384. Requests wait for room; one that needs more than all of it runs all layers.',
      schema: int(1, 1_048_576).default(256),
    }),
    effort: field({
      env: 'EFFORT',
      description: '`effort` of requests that do not say: full, balanced or fast.',
      schema: z.enum(['full', 'balanced', 'fast']).default('full'),
    }),
    scoreCachePairs: field({
      env: 'SCORE_CACHE_PAIRS',
      description:
        'Scores kept in memory, by tenant, model file and texts; 0 keeps none. Those of searches; of documents sent along only by SCORE_CACHE_DOCUMENTS.',
      schema: int(0, 10_000_000).default(50_000),
    }),
    scoreCacheDocuments: field({
      env: 'SCORE_CACHE_DOCUMENTS',
      description: 'Keep the scores of documents that clients send along, too: worth it where the same ones come back.',
      schema: flag.default(false),
    }),
    scoreCacheRedisTtlS: field({
      env: 'SCORE_CACHE_REDIS_TTL_S',
      unit: 's',
      description:
        'How long scores are also kept in Redis, for all workers that hold the same file on the same kind of device; 0 keeps none there. About 150 bytes a pair, under a digest: no text reaches Redis.',
      schema: int(0, 2_592_000).default(0),
    }),
    scoreCacheRedisUrl: field({
      env: 'SCORE_CACHE_REDIS_URL',
      secret: true,
      description:
        'Redis for those scores; unlike that of the queue it may evict and keep nothing on disk. Default: REDIS_URL, whose memory then bounds SCORE_CACHE_REDIS_TTL_S.',
      schema: redisUrl.optional(),
    }),
    syncConcurrency: field({ env: 'SYNC_CONCURRENCY', description: 'Sync tasks in hand at once.', schema: int(1, 1_024).default(32) }),
    batchConcurrency: field({
      env: 'BATCH_CONCURRENCY',
      description: 'Slices of batch jobs that a worker takes at once; each is up to 1,024 pairs.',
      schema: int(1, 256).default(3),
    }),
    ingestConcurrency: field({ env: 'INGEST_CONCURRENCY', description: 'Ingest tasks in hand at once.', schema: int(1, 64).default(2) }),
    jobRetentionDays: field({
      env: 'JOB_RETENTION_DAYS',
      description: 'Days after which a job that has ended is forgotten, with its results.',
      schema: int(1, 3_650).default(7),
    }),
    maxRssBytes: field({
      env: 'WORKER_MAX_RSS_BYTES',
      unit: 'bytes',
      description:
        'Memory (RSS) beyond which a worker ends its tasks and exits with status 75, for its supervisor to start a new one. Default: half as much again as after the warm-up, and 512 MiB; 0 never does.',
      schema: int(0, Number.MAX_SAFE_INTEGER).optional(),
    }),
    drainMs: field({
      env: 'DRAIN_MS',
      unit: 'ms',
      description: 'Time that tasks in hand have to end after SIGTERM; the rest goes back to the queue.',
      schema: int(0, 3_600_000).default(20_000),
    }),
  },
  jobs: {
    tenantWeights: field({
      env: 'TENANT_WEIGHTS',
      description:
        'JSON object of tenant to weight: the share of a busy fleet that its batch jobs get, against 1 of a tenant that is not named.',
      schema: weights.optional().transform((value) => value ?? {}),
    }),
  },
  admission: {
    tenantSyncTokens: field({
      env: 'TENANT_SYNC_TOKENS',
      unit: 'tokens',
      description:
        'Estimated tokens (bytes ÷ 4, the query with each document) that a tenant may have in calls which wait for their answer, over all API processes. Beyond it calls are refused with 429.',
      schema: int(1_000, 1_000_000_000_000).default(2_000_000),
    }),
    tenantJobRows: field({
      env: 'TENANT_JOB_ROWS',
      description: 'Requests that a tenant may have in batch jobs which have not ended.',
      schema: int(1, 1_000_000_000_000).default(5_000_000),
    }),
    tenantJobBytes: field({
      env: 'TENANT_JOB_BYTES',
      unit: 'bytes',
      description: 'What the requests of all kept batch jobs of a tenant may take in the blob store.',
      schema: int(1_024, Number.MAX_SAFE_INTEGER).default(53_687_091_200),
    }),
    maxJobRows: field({
      env: 'MAX_JOB_ROWS',
      description: 'Most requests in one batch job.',
      schema: int(1, 1_000_000_000_000).default(1_000_000),
    }),
    maxJobBytes: field({
      env: 'MAX_JOB_BYTES',
      unit: 'bytes',
      description: 'Most that the requests of one batch job may take in the blob store.',
      schema: int(1_024, Number.MAX_SAFE_INTEGER).default(4_294_967_296),
    }),
    maxBodiesInHandBytes: field({
      env: 'MAX_BODIES_IN_HAND_BYTES',
      unit: 'bytes',
      description:
        'JSON bodies that an API process holds in memory at once, from their arrival to their answer. Beyond it calls are refused with 429; one alone always fits. A body takes several times its size.',
      schema: int(1_024, Number.MAX_SAFE_INTEGER).default(268_435_456),
    }),
  },
  scaling: {
    syncDrainS: field({
      env: 'SCALE_SYNC_DRAIN_S',
      unit: 's',
      description:
        'Time in which the workers that /v1/scaling asks for have done the calls that wait now, besides those that come meanwhile.',
      schema: int(1, 3_600).default(10),
    }),
    batchDrainS: field({
      env: 'SCALE_BATCH_DRAIN_S',
      unit: 's',
      description: 'Time after its submission in which a batch job should be done; /v1/scaling asks for the workers that it takes.',
      schema: int(1, 86_400).default(600),
    }),
    idleS: field({
      env: 'SCALE_IDLE_S',
      unit: 's',
      description: 'How long after the last call /v1/scaling still asks for a worker. Batch jobs that have ended keep none.',
      schema: int(0, 3_600).default(300),
    }),
    maxWorkers: field({
      env: 'SCALE_MAX_WORKERS',
      description: 'Most workers of a pool that /v1/scaling asks for.',
      schema: int(1, 10_000).default(100),
    }),
    workerTokensPerS: field({
      env: 'SCALE_WORKER_TOKENS_PER_S',
      unit: 'tokens',
      description:
        'Tokens a second of a worker, for /v1/scaling, as long as no worker of the pool has measured its own. Two cores of a server CPU do about as many as the default.',
      schema: int(1, 1_000_000_000).default(10_000),
    }),
  },
  webhooks: {
    timeoutMs: field({
      env: 'WEBHOOK_TIMEOUT_MS',
      unit: 'ms',
      description: 'Longest attempt to deliver a webhook, redirects included.',
      schema: int(100, 60_000).default(10_000),
    }),
    allowPrivate: field({
      env: 'WEBHOOK_ALLOW_PRIVATE',
      description: 'Webhooks may go to this machine and to private networks: for development. Clients choose the URL.',
      schema: flag.default(false),
    }),
    allowedCidrs: field({
      env: 'WEBHOOK_ALLOWED_CIDRS',
      description: 'Ranges of addresses that webhooks may go to besides public ones, separated by commas, as 10.1.0.0/16.',
      schema: list
        .pipe(z.array(z.string().refine((text) => parseCidr(text) !== undefined, 'must be ranges such as 10.1.0.0/16')))
        .default([]),
    }),
  },
  logging: {
    level: field({
      env: 'LOG_LEVEL',
      description: 'Least severe line that is written.',
      schema: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
    }),
  },
} as const;
