import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { RedisBatchLedger } from '@rerank-fleet/core/adapters/redis/redis-batch-ledger';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import type { BatchTask, RerankOutcome } from '@rerank-fleet/core/contracts';
import { BatchDispatcher, BatchJobs, BatchKeeper, type BatchRecord } from '@rerank-fleet/core/jobs';
import { poolsOf } from '@rerank-fleet/core/requests';
import { batchTask } from '@rerank-fleet/worker/batch/batch-task';
import { FairRows } from '@rerank-fleet/worker/batch/fair-rows';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { announcement } from '../support/fleet-fixtures.js';
import { Life } from '../support/life.js';
import { RedisServer } from '../support/redis-server.js';

const TENANT = 'acme';
const ROWS = 6;
/** More than any life has calls. */
const NEVER = 1_000;

let directory: string;
let server: RedisServer;
let redis: Awaited<ReturnType<typeof connectRedis>>;
/** What lies in the queue: it outlives every process. */
let queued: Map<string, BatchTask>;
let now: number;
let told: string[];

beforeAll(async () => {
  server = await RedisServer.start();
  redis = await connectRedis(server.url, { role: 'consumer', name: 'steps' });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => {
  queued = new Map();
  now = Date.now();
});

/** A process: API, worker and keeper in one. */
function start(life: Life) {
  const jobs = new BatchJobs(life.through(new FileBlobStore(directory)));
  const ledger = life.through(new RedisBatchLedger(redis, () => now));
  const queue = life.through({
    enqueue: async (_: string, { id, payload }: { id: string; payload: unknown }): Promise<void> => {
      if (!queued.has(id)) queued.set(id, (payload as { body: BatchTask }).body);
    },
    discard: async (_: string, id: string): Promise<boolean> => queued.delete(id),
  });
  const dispatcher = new BatchDispatcher({ ledger, queue, slotsOf: () => Promise.resolve(2), weights: {}, now: () => now });
  const log = { warn: () => undefined, error: () => undefined };
  const onEnded = life.through({ tell: async ({ id }: BatchRecord): Promise<void> => void told.push(id) });
  const keeper = new BatchKeeper({ jobs, ledger, dispatcher, onEnded: (record) => onEnded.tell(record), log, now: () => now });
  const handler = batchTask({
    jobs,
    ledger,
    keeper,
    dispatcher,
    log,
    fairRows: new FairRows({ pairsAtOnce: 100, quantum: 100 }),
    handlers: { rerank: () => Promise.resolve(OUTCOME), search: () => Promise.reject(new Error('There are no searches.')) },
    documents: { findCorpus: () => Promise.resolve(undefined) },
    pool: poolsOf([announcement()], [])[0]!,
    aliases: {},
    cancels: { follow: () => Promise.resolve(), release: () => undefined },
    suspects: {
      enter: () => Promise.resolve(),
      leave: () => Promise.resolve(),
      convicted: () => Promise.resolve(new Set()),
      forget: () => Promise.resolve(),
    },
  });
  return { jobs, keeper, handler };
}

const OUTCOME: RerankOutcome = {
  kind: 'rerank',
  model: 'mini',
  results: [{ index: 0, logit: 1, tokens: 3, truncated: false }],
  prompt_tokens: 3,
  timings_ms: { queue: 0 },
};

type Process = ReturnType<typeof start>;

async function submit({ jobs, keeper }: Process): Promise<void> {
  const upload = jobs.begin(TENANT);
  for (let row = 1; row <= ROWS; row += 1)
    await upload.add({ row, json: JSON.stringify({ custom_id: `r${row}`, query: 'q', documents: ['d'] }), pairs: 512, tokens: 1 });
  const record: BatchRecord = {
    v: 1,
    id: upload.id,
    tenant: TENANT,
    dialect: 'native',
    pool: 'default',
    priority: 50,
    created_ms: now,
    expires_ms: now + 3_600_000,
    ...(await upload.finish()),
  };
  expect(record.slices).toBe(3);
  await jobs.create(record);
  await keeper.admit(record);
}

/** Takes tasks as the queue hands them out: one that fails stays. */
async function work({ handler }: Process): Promise<void> {
  for (const [id, body] of queued) {
    await handler(body, { taskId: id, tenant: TENANT, requestId: id, queueMs: 0, signal: new AbortController().signal });
    queued.delete(id);
  }
}

async function keysUnder(jobs: BatchJobs): Promise<string[]> {
  const open: string[] = [];
  for await (const { id } of jobs.open()) open.push(id);
  return open;
}

/** One life that dies at a call, then one that does what was left. Returns whether the first came to its end. */
async function liveTwice(dies: number, when: 'before' | 'after'): Promise<boolean> {
  directory = await mkdtemp(join(tmpdir(), 'rerank-steps-'));
  await redis.flushall();
  queued.clear();
  told = [];
  const life = new Life(dies, when);
  const first = start(life);
  const run = submit(first).then(() => work(first));
  run.catch(() => undefined);
  await Promise.race([run, life.death]);
  life.bury();
  const second = start(new Life(NEVER, 'before'));
  await second.keeper.recover();
  for (let round = 0; round < 6; round += 1) {
    now += 61_000;
    await second.keeper.sweep();
    await work(second);
  }
  try {
    await check(second.jobs);
  } catch (cause) {
    throw new Error(`It died ${when} call ${dies}.`, { cause });
  }
  await rm(directory, { recursive: true, force: true });
  return !life.ended;
}

async function check(jobs: BatchJobs): Promise<void> {
  const records: BatchRecord[] = [];
  for await (const id of jobs.list(TENANT)) {
    const record = await jobs.record(TENANT, id);
    // It was never answered: its client sends it again.
    if (record !== undefined) records.push(record);
  }
  for (const record of records) {
    expect(await jobs.done(record)).toMatchObject({
      status: 'completed',
      request_counts: { total: ROWS, succeeded: ROWS, processing: 0 },
    });
    const rows: number[] = [];
    for (let slice = 0; slice < record.slices; slice += 1) rows.push(...(await jobs.sliceResults(record, slice))!.map(({ row }) => row));
    expect(rows).toEqual([1, 2, 3, 4, 5, 6]);
    expect(told).toContain(record.id);
    expect(await keysUnder(jobs)).toEqual([]);
    expect(await redis.keys('{rf}:batch:*')).toEqual(expect.not.arrayContaining([expect.stringContaining(record.id)]));
    expect(await redis.hgetall('{rf}:batch:flights:default')).toEqual({});
    expect(queued).toEqual(new Map());
  }
}

describe('a process that dies under a batch job', () => {
  it.each(['before', 'after'] as const)('%s any of its calls leaves nothing that the next does not end', async (when) => {
    let whole = false;
    let dies = 1;
    for (; !whole; dies += 1) whole = await liveTwice(dies, when);
    // As many calls as a job of three slices has; fewer would mean that something was not tried.
    expect(dies).toBeGreaterThan(25);
  });
});
