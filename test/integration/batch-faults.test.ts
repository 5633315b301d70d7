import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import {
  BatchDispatcher,
  BatchJobs,
  BatchKeeper,
  doneKey,
  ledgerJobOf,
  recordKey,
  requestsKey,
  resultKey,
  slicesKey,
  slotsOf,
} from '@rerank-fleet/core/jobs';
import type { BatchDone, BatchRecord } from '@rerank-fleet/core/jobs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TENANT, WorkerStack } from './worker-support.js';

const SILENT = { warn: () => undefined, error: () => undefined };

let stack: WorkerStack;
let jobs: BatchJobs;
let keeper: BatchKeeper;
let redis: Awaited<ReturnType<typeof connectRedis>>;

beforeEach(async () => {
  stack = await WorkerStack.start();
  redis = await connectRedis(stack.redis.url, { role: 'consumer', name: 'test' });
  ({ jobs, keeper } = processOf(stack));
});
afterEach(async () => {
  redis.disconnect();
  await stack.stop();
});

/** What a process of its own knows: its memory of records and indexes is empty. */
function processOf({ api }: WorkerStack, aheadMs = 0): { jobs: BatchJobs; keeper: BatchKeeper } {
  const { blobs, batchLedger: ledger, queue, fleet } = api;
  const now = (): number => api.now() + aheadMs;
  const own = new BatchJobs(blobs);
  const dispatcher = new BatchDispatcher({ ledger, queue, slotsOf: slotsOf(fleet), weights: {}, now });
  return { jobs: own, keeper: new BatchKeeper({ jobs: own, ledger, dispatcher, onEnded: async () => undefined, log: SILENT, now }) };
}

/** A job of so many slices of one row. */
async function make(slices: number): Promise<BatchRecord> {
  const upload = jobs.begin(TENANT);
  for (let row = 1; row <= slices; row += 1) {
    const request = { custom_id: `r${row}`, query: 'prune apple tree', documents: ['prune apple tree', 'bake apple pie'] };
    await upload.add({ row, json: JSON.stringify(request), pairs: 1_024, tokens: 10 });
  }
  const base = { v: 1, id: upload.id, tenant: TENANT, dialect: 'native', pool: 'default', priority: 50 } as const;
  const record = { ...base, created_ms: Date.now(), expires_ms: Date.now() + 600_000, ...(await upload.finish()) };
  expect(await jobs.create(record)).toBe(true);
  return record;
}

async function submit(slices: number): Promise<BatchRecord> {
  const record = await make(slices);
  await keeper.admit(record);
  return record;
}

async function done(record: BatchRecord): Promise<BatchDone> {
  const look = () => processOf(stack).jobs.done(record);
  await expect.poll(look, { timeout: 40_000, interval: 20 }).toBeDefined();
  return (await look())!;
}

describe('a job of which something cannot be read', () => {
  const GARBAGE = '{"not what it';

  it.each([
    ['rows', ({ upload }: BatchRecord) => requestsKey(upload)],
    ['index', ({ upload }: BatchRecord) => slicesKey(upload)],
    ['results', ({ id }: BatchRecord) => resultKey(TENANT, id, 1)],
  ])('ends as failed for its %s, and holds no other up', async (_, keyOf) => {
    const bad = await submit(3);
    await stack.api.blobs.put(keyOf(bad), GARBAGE);
    const good = await submit(2);
    await stack.startWorker();
    const { status, request_counts: counts, error } = await done(bad);
    expect({ status, error: error?.code, processing: counts.processing }).toEqual({
      status: 'failed',
      error: 'internal_error',
      processing: 0,
    });
    expect(counts.succeeded + counts.errored).toBe(3);
    expect(await done(good)).toMatchObject({ status: 'completed', request_counts: { succeeded: 2 } });
  });

  it('is left alone for its record, and holds no other up', async () => {
    const bad = await submit(3);
    await stack.api.blobs.put(recordKey(TENANT, bad.id), GARBAGE);
    const good = await submit(2);
    await stack.startWorker();
    expect(await done(good)).toMatchObject({ status: 'completed' });
    await expect.poll(() => stack.api.batchLedger.state(bad.id), { timeout: 40_000, interval: 20 }).toBeUndefined();
    expect(await stack.api.queue.depth('batch-default')).toEqual({ waiting: 0, active: 0 });
  });

  it('is taken up again by its other results when Redis has lost everything', async () => {
    const bad = await make(3);
    await stack.api.blobs.put(resultKey(TENANT, bad.id, 1), GARBAGE);
    await keeper.recover();
    expect(await stack.api.batchLedger.state(bad.id)).toMatchObject({ slicesDone: 0 });
  });

  it('has its end written anew where nobody can read it', async () => {
    const record = await submit(2);
    await stack.api.blobs.put(doneKey(TENANT, record.id), GARBAGE);
    await keeper.close(record, 'cancelled');
    expect(await done(record)).toMatchObject({ status: 'cancelled', request_counts: { cancelled: 2 } });
    expect(await stack.api.batchLedger.state(record.id)).toBeUndefined();
  });

  it('is left to a process that knows its form, where a newer version wrote it', async () => {
    const record = await submit(1);
    await stack.api.blobs.put(recordKey(TENANT, record.id), JSON.stringify({ ...record, v: 2, pool: { of: 'another form' } }));
    const other = processOf(stack);
    await expect(other.jobs.record(TENANT, record.id)).rejects.toMatchObject({ code: 'model_unavailable' });
    await other.keeper.recover();
    expect(await stack.api.batchLedger.state(record.id)).toBeDefined();
  });
});

describe('a job that nobody runs', () => {
  it('ends at once when it is cancelled, though slices of it are queued', async () => {
    const record = await submit(9);
    expect((await stack.api.batchLedger.state(record.id))?.inFlight).toBeGreaterThan(2);
    await keeper.close(record, 'cancelled');
    expect(await jobs.done(record)).toMatchObject({ status: 'cancelled', request_counts: { cancelled: 9, processing: 0 } });
    expect(await redis.keys('{rf}:batch-default:job*')).toEqual([]);
  });

  it('is taken up where its admission failed: before the ledger, before its slices were picked, or before they were queued', async () => {
    const { batchLedger: ledger, queue } = stack.api;
    const queued = async (): Promise<number> =>
      (await queue.depth('batch-default')).waiting + (await queue.depth('express-default')).waiting;
    const first = await make(1);
    await keeper.takeUp(first);
    expect([(await ledger.state(first.id))?.inFlight, await queued()]).toEqual([1, 1]);
    const second = await make(1);
    await ledger.open(ledgerJobOf(second));
    await keeper.takeUp(second);
    expect([(await ledger.state(second.id))?.inFlight, await queued()]).toEqual([1, 2]);
    const third = await make(1);
    await ledger.open(ledgerJobOf(third));
    expect(await ledger.pick('default', { capacity: 8, weights: {} })).toHaveLength(1);
    await keeper.takeUp(third);
    expect(await queued()).toBe(2);
    await processOf(stack, 5_000).keeper.sweep();
    expect(await queued()).toBe(2);
    await processOf(stack, 15_000).keeper.sweep();
    expect(await queued()).toBe(3);
  });

  it('is not taken up when it ended or was removed since its admission failed', async () => {
    const [ended, removed] = [await submit(1), await submit(1)];
    for (const record of [ended, removed]) await keeper.close(record, 'cancelled');
    await jobs.remove(removed);
    for (const record of [ended, removed]) {
      await processOf(stack).keeper.takeUp(record);
      expect(await stack.api.batchLedger.state(record.id)).toBeUndefined();
    }
  });

  it('is not taken up again when it was removed meanwhile', async () => {
    const record = await submit(2);
    await keeper.close(record, 'cancelled');
    await processOf(stack).jobs.remove(record);
    // A listing that was begun before.
    await stack.api.blobs.put(`open-jobs/${TENANT}/${record.id}`, '');
    await keeper.recover();
    expect(await stack.api.batchLedger.state(record.id)).toBeUndefined();
  });
});
