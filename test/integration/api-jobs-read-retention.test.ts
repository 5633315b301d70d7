import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { takeTurn } from '@rerank-fleet/core/adapters/redis/take-turn';
import { hashOfKey, IdempotencyKeys, type BatchRecord } from '@rerank-fleet/core/jobs';
import { forgetOldJobs } from '@rerank-fleet/worker/composition/retention';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { JobsReadApi } from './api-jobs-read-support.js';

const DAY = 24 * 3_600_000;
/** Of a job that is made now. */
const freshId = (): string => `job_${Date.now().toString(16).padStart(12, '0')}${'0'.repeat(20)}`;

let redis: RedisServer;
let stack: JobsReadApi;
let faults: string[];

beforeAll(async () => {
  redis = await RedisServer.start();
});
beforeEach(async () => {
  stack = await JobsReadApi.start({ redis });
  faults = [];
});
afterEach(() => stack.close());
afterAll(() => redis.stop());

/** As it will run in so many days. */
async function purge(inDays: number, days = 7): Promise<void> {
  await forget(Date.now() + inDays * DAY, days);
}
async function forget(now: number, days: number): Promise<void> {
  const error = (_fields: object, message: string): void => void faults.push(message);
  await forgetOldJobs({ blobs: stack.api.blobs, days, now: () => now, log: { error } });
  expect(faults).toEqual([]);
}
const status = async ({ id }: Pick<BatchRecord, 'id'>): Promise<number> => (await stack.get(`/v1/jobs/${id}`)).status;

describe('retention', () => {
  it('forgets a job, whole, so many days after it has ended', async () => {
    const record = await stack.submit([true, true, false]);
    await stack.finish(record);
    await purge(6.9);
    expect(await status(record)).toBe(200);
    await purge(7.1);
    expect(await status(record)).toBe(404);
    expect(await stack.api.kept()).toEqual([]);
  });

  it('goes by the clock that all processes share, whatever that of the machine says', async () => {
    const record = await stack.submit([true]);
    await stack.finish(record);
    const before = Date.now();
    vi.useFakeTimers({ toFake: ['Date'], now: before + 100 * DAY });
    try {
      await forget(before, 7);
    } finally {
      vi.useRealTimers();
    }
    expect(await status(record)).toBe(200);
  });

  it('keeps a job that has not ended, however old it is', async () => {
    const record = await stack.submit([true, true]);
    const before = await stack.api.kept();
    await purge(100);
    expect(await status(record)).toBe(200);
    expect(await stack.api.kept()).toEqual(before);
  });

  it('forgets idempotency keys with their jobs, and those that never came to stand for one', async () => {
    const keys = new IdempotencyKeys(stack.api.blobs);
    const body = { requests: [{ custom_id: 'a', query: 'q', documents: ['d'] }] };
    const send = () => stack.api.sendJson(body, { 'idempotency-key': 'mine' });
    const record = await stack.api.record(await send());
    expect(record.idempotency).toBe(hashOfKey('mine'));
    await keys.claim('default', 'lost', { job: freshId(), body_sha256: 'x' });
    await stack.finish(record);
    await purge(0.5);
    expect((await send()).body.id).toBe(record.id);
    expect(await stack.api.keysUnder('idempotency')).toHaveLength(2);
    await purge(2);
    expect(await stack.api.keysUnder('idempotency')).toHaveLength(1);
    await purge(8);
    expect(await stack.api.keysUnder('idempotency')).toEqual([]);
    expect((await send()).body.id).not.toBe(record.id);
  });

  it('forgets after a day an upload that never became a job, and no upload of a job', async () => {
    const kept = await stack.submit([true]);
    // Of calls with one idempotency key the one that goes on for another has a job of another id than its upload.
    const { jobs } = stack.api;
    const upload = jobs.begin('default');
    await upload.add({ row: 1, json: '{"custom_id":"a"}', pairs: 1, tokens: 1 });
    const totals = await upload.finish();
    const renamed: BatchRecord = { ...kept, id: freshId(), ...totals };
    await jobs.create(renamed);
    const lost = jobs.begin('default');
    await lost.add({ row: 1, json: '{"custom_id":"b"}', pairs: 1, tokens: 1 });
    const { upload: folder } = await lost.finish();
    await purge(0.9);
    expect(await stack.api.keysUnder(folder)).not.toEqual([]);
    await purge(1.1);
    expect(await stack.api.keysUnder(folder)).toEqual([]);
    for (const record of [kept, renamed]) expect(await jobs.rows(record, 0)).toHaveLength(1);
  });

  it('goes on with a removal that was cut off', async () => {
    const record = await stack.submit([true, false]);
    await stack.finish(record);
    await stack.api.blobs.deleteUnder(record.upload);
    await stack.api.blobs.delete(`jobs/default/${record.id}/job.json`);
    expect((await (await stack.get('/v1/jobs')).json()) as object).toMatchObject({ data: [] });
    await purge(2);
    expect(await stack.api.kept()).toEqual([]);
  });

  it('is the work of one process in a period', async () => {
    const connection = await connectRedis(redis.url, { role: 'consumer', name: 'test' });
    const turns = await Promise.all([1, 2, 3].map(() => takeTurn(connection, 'purge-test', 60_000)));
    expect(turns.filter(Boolean)).toHaveLength(1);
    connection.disconnect();
  });
});
