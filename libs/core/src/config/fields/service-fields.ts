import { z } from 'zod';
import { field, flag, int } from './field.js';

/** How the service is reached, and what it says of itself. */
export const http = {
  host: field({
    env: 'HOST',
    description: 'Address the API binds to. Beyond loopback, API_KEYS is needed.',
    schema: z.string().default('127.0.0.1'),
  }),
  port: field({ env: 'PORT', description: 'Port of the API; 0 picks a free one.', schema: int(0, 65_535).default(8080) }),
  syncTimeoutMs: field({
    env: 'SYNC_TIMEOUT_MS',
    unit: 'ms',
    description: 'Deadline of a sync call that names none. A `timeout_ms` above it is cut to it, without an error.',
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
    description: 'Largest streamed NDJSON upload of documents, and of a job.',
    schema: int(1_024, 1_099_511_627_776).default(4_294_967_296),
  }),
} as const;

export const streams = {
  idleMs: field({
    env: 'STREAM_IDLE_MS',
    unit: 'ms',
    description: 'How long a client may leave a streamed answer (results, events) unread before its connection is closed.',
    schema: int(100, 3_600_000).default(60_000),
  }),
} as const;

export const auth = {
  keys: field({
    env: 'API_KEYS',
    secret: true,
    description:
      'JSON array of {"key" or "sha256", "tenant", "scopes"}, or the path of a file that holds it. None is needed on a loopback bind. `sync_tokens` in an entry bounds what the tenant has in calls when one comes with this key.',
    schema: z.string().optional(),
  }),
} as const;

export const operators = {
  queueBoard: field({
    env: 'QUEUE_BOARD',
    description:
      'Bull Board at /admin/queues, for keys with the scope operator: off, read-only, or read-write, which lets it retry, promote and remove single tasks behind the back of their jobs.',
    schema: z.enum(['off', 'read-only', 'read-write']).default('read-only'),
  }),
} as const;

export const web = {
  enabled: field({
    env: 'WEB_ENABLED',
    description: 'The pages at /: playground, jobs, corpora and fleet. They ask for the reader’s own key; the files themselves need none.',
    schema: flag.default(true),
  }),
} as const;

export const ops = {
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
} as const;

export const logging = {
  level: field({
    env: 'LOG_LEVEL',
    description: 'Least severe line that is written.',
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  }),
} as const;
