import type { StoredResultLine } from '@rerank-fleet/core/contracts';
import { BatchDispatcher, BatchJobs, BatchKeeper, slotsOf, type BatchDone, type BatchRecord } from '@rerank-fleet/core/jobs';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TENANT, WorkerStack } from './worker-support.js';

type Row = Readonly<Record<string, unknown>>;

let stack: WorkerStack;
let jobs: BatchJobs;
let keeper: BatchKeeper;
let redis: Awaited<ReturnType<typeof connectRedis>>;
let ended: string[];

beforeEach(async () => {
  stack = await WorkerStack.start();
  redis = await connectRedis(stack.redis.url, { role: 'consumer', name: 'test' });
  const { blobs, batchLedger: ledger, queue, fleet, now } = stack.api;
  jobs = new BatchJobs(blobs);
  ended = [];
  const dispatcher = new BatchDispatcher({ ledger, queue, slotsOf: slotsOf(fleet), weights: {}, now });
  const onEnded = async ({ id }: BatchRecord): Promise<void> => void ended.push(id);
  const log = { warn: () => undefined, error: () => undefined };
  keeper = new BatchKeeper({ jobs, ledger, dispatcher, onEnded, log, now });
});
afterEach(async () => {
  redis.disconnect();
  await stack.stop();
});

/** A job of these rows as the API would make it; `pairs` shapes its slices. */
async function submit(rows: readonly Row[], { pairs = 4, tenant = TENANT, expiresInMs = 600_000 } = {}): Promise<BatchRecord> {
  const upload = jobs.begin(tenant);
  for (const [position, row] of rows.entries()) await upload.add({ row: position + 1, json: JSON.stringify(row), pairs, tokens: 10 });
  const totals = await upload.finish();
  const record: BatchRecord = {
    v: 1,
    id: upload.id,
    tenant,
    dialect: 'native',
    pool: 'default',
    priority: 50,
    created_ms: Date.now(),
    expires_ms: Date.now() + expiresInMs,
    ...totals,
  };
  expect(await jobs.create(record)).toBe(true);
  await keeper.admit(record);
  return record;
}

const rerank = (custom_id: string, documents: readonly string[] = ['prune apple tree', 'bake apple pie'], fields: Row = {}): Row => ({
  custom_id,
  query: 'prune apple tree',
  documents,
  ...fields,
});
const many = (count: number, documents?: readonly string[]): Row[] =>
  Array.from({ length: count }, (_, at) => rerank(`r${at + 1}`, documents));

async function done(record: BatchRecord, timeout = 90_000): Promise<BatchDone> {
  await expect.poll(() => jobs.done(record), { timeout, interval: 20 }).toBeDefined();
  return (await jobs.done(record))!;
}

async function lines(record: BatchRecord): Promise<readonly StoredResultLine[]> {
  const all: StoredResultLine[] = [];
  for (let slice = 0; slice < record.slices; slice += 1) all.push(...((await jobs.sliceResults(record, slice)) ?? []));
  return all;
}

describe('a batch job in a worker', () => {
  it('ends each row with its result or its own error', async () => {
    await stack.startWorker();
    const record = await submit([
      rerank('good'),
      rerank('too long', ['apple '.repeat(2_000)], { long_document: 'error' }),
      { custom_id: 'no corpus', corpus: 'nowhere', query: 'q' },
      rerank('last', ['prune', 'apple', 'tree'], { top_n: 1, return_documents: true }),
    ]);
    expect(await done(record)).toMatchObject({
      status: 'completed',
      request_counts: { total: 4, processing: 0, succeeded: 2, errored: 2, cancelled: 0, expired: 0 },
    });
    const [good, long, corpus, last] = await lines(record);
    expect(good).toMatchObject({ custom_id: 'good', row: 1, status: 'succeeded' });
    expect(good?.result?.results).toHaveLength(2);
    expect(long).toMatchObject({ custom_id: 'too long', row: 2, status: 'errored', error: { code: 'pair_too_long' } });
    expect(corpus).toMatchObject({ row: 3, status: 'errored', error: { code: 'corpus_not_found' } });
    expect(last?.result?.results).toHaveLength(1);
    await expect.poll(() => stack.api.batchLedger.state(record.id)).toBeUndefined();
  });

  it('is done whole when a worker is killed under it', async () => {
    const victim = await stack.startWorker({ BATCH_CONCURRENCY: '2' });
    const record = await submit(many(300), { pairs: 40 });
    await expect.poll(async () => (await stack.api.batchLedger.state(record.id))?.slicesDone ?? 0, { interval: 5 }).toBeGreaterThan(0);
    await victim.end('SIGKILL');
    expect((await stack.api.batchLedger.state(record.id))?.slicesDone).toBeLessThan(record.slices);
    await stack.startWorker();
    expect(await done(record)).toMatchObject({ status: 'completed', request_counts: { total: 300, succeeded: 300 } });
    const all = await lines(record);
    expect(new Set(all.map(({ row }) => row)).size).toBe(300);
    expect(all).toHaveLength(300);
  }, 120_000);

  it('gives up the one row that workers die under, and no other', async () => {
    // Long enough for each to be seen alone.
    const record = await submit(
      many(
        6,
        Array.from({ length: 300 }, () => 'prune the apple tree'),
      ),
    );
    const alone = (): Promise<string | null> => redis.get(`{rf}:batch:alone:${record.id}-0`);
    const first = await stack.startWorker();
    await stack.taken(1);
    await first.end('SIGKILL');
    // From now on the rows run alone; one of the middle kills its worker again.
    const second = await stack.startWorker();
    await expect.poll(alone, { timeout: 90_000, interval: 1 }).toMatch(/[1-4]/);
    await second.end('SIGKILL');
    const killedUnder = await alone();
    await stack.startWorker();
    expect(await done(record, 90_000)).toMatchObject({ request_counts: { succeeded: 5, errored: 1 } });
    const bad = (await lines(record)).filter(({ status }) => status === 'errored');
    expect(bad).toMatchObject([{ row: Number(killedUnder), error: { code: 'internal_error' } }]);
  }, 240_000);

  it('stops within a moment when it is cancelled, and says of each row how it ended', async () => {
    await stack.startWorker();
    const record = await submit(many(400), { pairs: 200 });
    await expect.poll(async () => (await stack.api.batchLedger.state(record.id))?.slicesDone ?? 0, { interval: 5 }).toBeGreaterThan(0);
    await keeper.close(record, 'cancelled');
    const { status, request_counts: counts } = await done(record, 5_000);
    expect(status).toBe('cancelled');
    expect(counts.succeeded).toBeGreaterThan(0);
    expect(counts.cancelled).toBeGreaterThan(0);
    expect(counts.succeeded + counts.cancelled).toBe(400);
  });

  it('ends as expired when its time is over, also without a worker', async () => {
    const record = await submit(many(3), { expiresInMs: 200 });
    await expect.poll(() => keeper.sweep().then(() => jobs.done(record)), { timeout: 30_000, interval: 100 }).toBeDefined();
    expect(await jobs.done(record)).toMatchObject({ status: 'expired', request_counts: { expired: 3, processing: 0 } });
    expect(ended).toEqual([record.id]);
  });

  it('goes on from the blobs when Redis has lost everything', async () => {
    await stack.startWorker();
    const record = await submit(many(300), { pairs: 100 });
    await expect.poll(async () => (await stack.api.batchLedger.state(record.id))?.slicesDone ?? 0, { interval: 5 }).toBeGreaterThan(1);
    await redis.flushall();
    await keeper.recover();
    expect(await done(record)).toMatchObject({ status: 'completed', request_counts: { total: 300, succeeded: 300, processing: 0 } });
    expect(await lines(record)).toHaveLength(300);
  });

  it('ends a job that was cancelled while Redis was away', async () => {
    const record = await submit(many(3));
    await jobs.markCancelled(record);
    await keeper.recover();
    await expect.poll(() => keeper.sweep().then(() => jobs.done(record)), { timeout: 30_000, interval: 100 }).toBeDefined();
    expect(await jobs.done(record)).toMatchObject({ status: 'cancelled', request_counts: { cancelled: 3 }, pairs_done: 0 });
  });

  it('does not lose a job whose process died before it was queued', async () => {
    await stack.startWorker();
    const upload = jobs.begin(TENANT);
    await upload.add({ row: 1, json: JSON.stringify(rerank('only')), pairs: 2, tokens: 10 });
    const totals = await upload.finish();
    const record: BatchRecord = {
      v: 1,
      id: upload.id,
      tenant: TENANT,
      dialect: 'native',
      pool: 'default',
      priority: 50,
      created_ms: Date.now(),
      expires_ms: Date.now() + 600_000,
      ...totals,
    };
    await jobs.create(record);
    await keeper.recover();
    expect(await done(record)).toMatchObject({ status: 'completed', request_counts: { succeeded: 1 } });
  });
});
