import { z } from 'zod';
import { tenantSchema } from '../../contracts/index.js';
import { parseCidr } from '../../webhooks/ip-address.js';
import { field, flag, int, json, list } from './field.js';

const weights = json('must be a JSON object of tenant to weight', z.record(tenantSchema, z.number().min(0.01).max(1_000)));

export const jobs = {
  tenantWeights: field({
    env: 'TENANT_WEIGHTS',
    description:
      'JSON object of tenant to weight: the share of a busy fleet that its batch jobs get, against 1 of a tenant that is not named.',
    schema: weights.optional().transform((value) => value ?? {}),
  }),
} as const;

export const admission = {
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
  tenantFiles: field({
    env: 'TENANT_FILES',
    description: 'Files that a tenant may keep which were uploaded for batches of the OpenAI dialect.',
    schema: int(1, 1_000_000).default(10_000),
  }),
  tenantFileBytes: field({
    env: 'TENANT_FILE_BYTES',
    unit: 'bytes',
    description: 'What all kept files of a tenant may take in the blob store, besides its jobs.',
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
} as const;

export const scaling = {
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
} as const;

export const webhooks = {
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
} as const;
