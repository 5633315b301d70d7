import { z } from 'zod';
import { modelNameSchema } from '../../contracts/index.js';
import { redisUrl } from './redis-url.js';
import { field, flag, int, list } from './field.js';

export const worker = {
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
    description:
      'Threads that tokenize. Default: one on a CPU; beside a GPU, which takes far more tokens, one for two cores, four at most.',
    schema: int(1, 64).optional(),
  }),
  autoTune: field({
    env: 'AUTO_TUNE',
    description:
      'Time the models, and the segments that early exit runs them in, at the first start on a machine, and pick the batch budgets and threads that are not set; later starts read the choice from the cache.',
    schema: flag.default(true),
  }),
  fastGraph: field({
    env: 'FAST_GRAPH',
    description:
      'Run cross-encoders by a faster graph of the same weights: the last layer only where it is read, sizes as constants, and on a CPU attention in one node where a batch has no padding, without one of the runtime’s fusions. A fifth less CPU; an int8 logit moves by less than its batch mates move it. Requests with `deterministic` always run the file as it is, which is loaded with the first of them.',
    schema: flag.default(true),
  }),
  maxBatchTokens: field({
    env: 'MAX_BATCH_TOKENS',
    unit: 'tokens',
    description:
      'Padded tokens of a batch: longest pair × pairs. Default: tuned at the first start (AUTO_TUNE), else 1,024 on a CPU and 16,384 on a GPU. A number given here also leaves the threads as they are, and holds for segments of early exit.',
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
      'Score one pair a run unless a request says otherwise. Where a model is int8, a logit otherwise depends on the pairs in its batch, which are other tenants’ too: by 0.14 on average and 0.91 at most on TREC DL 2019, without a change in nDCG@10. At about three fifths of the speed.',
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
  earlyExitBatchTokens: field({
    env: 'EARLY_EXIT_BATCH_TOKENS',
    unit: 'tokens',
    description:
      'Padded tokens of a batch of each segment, from the first one on, separated by commas; the last number also holds for those that follow. Default: tuned at the first start (AUTO_TUNE), each segment by itself; else that of the whole model.',
    schema: list.pipe(z.array(int(16, 4_194_304)).min(1)).optional(),
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
      'Redis for those scores; unlike that of the queue it may evict and keep nothing on disk. Default: REDIS_URL, which then needs memory for all pairs of SCORE_CACHE_REDIS_TTL_S: one that is full takes no more work.',
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
} as const;
