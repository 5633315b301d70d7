import { request } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdmissionJobRoom } from '@rerank-fleet/core/adapters/redis/admission-job-room';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { recordKey } from '@rerank-fleet/core/jobs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { announce, answerOf, JobsApi, ndjson, openUpload, search, type JobsAnswer } from './jobs-support.js';

let server: RedisServer;
let redis: Awaited<ReturnType<typeof connectRedis>>;
let room: AdmissionJobRoom;
let directory: string;
const apis: JobsApi[] = [];

beforeAll(async () => {
  server = await RedisServer.start();
  redis = await connectRedis(server.url, { role: 'consumer', name: 'test' });
  room = new AdmissionJobRoom(redis);
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rerank-admission-'));
  await redis.flushall();
});
afterEach(async () => {
  for (const api of apis.splice(0)) await api.close();
  await rm(directory, { recursive: true, force: true });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

async function start(env: Readonly<Record<string, string>>): Promise<JobsApi> {
  const api = await JobsApi.start({ redis: server, directory, env });
  apis.push(api);
  return api;
}

const saying = (text: string): unknown => expect.stringContaining(text);
const many = (count: number, more: object = {}): object[] => Array.from({ length: count }, (_, n) => search(`row-${n}`, more));
/** A row of about a kilobyte. */
const LONG = { query: 'q'.repeat(1_000) };

/** What is counted of the tenant. */
async function taken(): Promise<{ rows: number; bytes: number }> {
  const [rows, bytes] = await redis.hmget('{rf}:admission:jobs:default', 'rows', 'bytes');
  return { rows: Number(rows), bytes: Number(bytes) };
}

/** Brings a job to its end, as a worker does. */
async function work(api: JobsApi, answer: JobsAnswer): Promise<void> {
  const { id, slices } = await api.record(answer);
  const counts = { succeeded: 1, errored: 0, cancelled: 0, expired: 0, pairs: 1 };
  for (let slice = 0; slice < slices; slice += 1) await api.adapters.batchLedger.commit(id, slice, counts);
  const ended = async (): Promise<boolean> => (await api.jobs.done(await api.record(answer))) !== undefined;
  await expect.poll(ended, { timeout: 20_000 }).toBe(true);
}

describe('rows of a tenant', () => {
  it('are bounded over all processes, and free again when a job has ended', async () => {
    const [one, other] = [await start({ TENANT_JOB_ROWS: '10' }), await start({ TENANT_JOB_ROWS: '10' })];
    const first = await one.sendLines(ndjson(...many(6)));
    expect(first.status).toBe(202);
    const refused = await other.sendJson({ requests: many(5) });
    expect(refused).toMatchObject({ status: 429, body: { code: 'overloaded', detail: saying('10 requests') } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(3_600);
    expect((await other.sendLines(ndjson(...many(4)))).status).toBe(202);
    expect(await taken()).toMatchObject({ rows: 10 });
    const { bytes } = await taken();
    await work(one, first);
    await expect.poll(taken).toEqual({ rows: 4, bytes });
    expect((await other.sendLines(ndjson(...many(6)))).status).toBe(202);
  });

  it('are never more than the limit, whatever comes at once, and what is refused leaves nothing', async () => {
    const [one, other] = [await start({ TENANT_JOB_ROWS: '10' }), await start({ TENANT_JOB_ROWS: '10' })];
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? one : other).sendLines(ndjson(...many(3)))));
    const accepted = answers.filter(({ status }) => status === 202);
    // An upload that is turned away may have been in the way of another.
    expect(accepted.length).toBeGreaterThanOrEqual(1);
    expect(accepted.length).toBeLessThanOrEqual(3);
    for (const { status } of answers) expect([202, 429]).toContain(status);
    const records = await Promise.all(accepted.map((answer) => one.record(answer)));
    await expect.poll(taken).toEqual({ rows: 3 * accepted.length, bytes: records.reduce((sum, { bytes }) => sum + bytes, 0) });
    const uploads = (await one.kept()).filter((key) => key.startsWith('uploads/'));
    expect(new Set(uploads.map((key) => key.split('/')[2]))).toEqual(new Set(records.map(({ id }) => id)));
  });

  it.each([
    ['of the tenant', { TENANT_JOB_ROWS: '10' }],
    ['of a job', { MAX_JOB_ROWS: '10' }],
  ])('that no waiting makes room for are too many: a single job above the limit %s', async (_, env) => {
    const api = await start(env);
    const answer = await api.sendLines(ndjson(...many(11)));
    expect(answer).toMatchObject({ status: 413, body: { code: 'payload_too_large', detail: saying('10 requests') } });
    expect(answer.headers.get('retry-after')).toBeNull();
    expect(await api.kept()).toEqual([]);
    expect(await taken()).toEqual({ rows: 0, bytes: 0 });
    expect((await api.sendLines(ndjson(...many(11)), {}, '/v1/jobs/estimate')).status).toBe(413);
    expect((await api.sendLines(ndjson(...many(10)), {}, '/v1/jobs/estimate')).status).toBe(200);
    expect((await api.sendLines(ndjson(...many(10)))).status).toBe(202);
  });
});

describe('bytes of a tenant', () => {
  it('are bounded at the row that crosses, with nothing left behind', async () => {
    const api = await start({ TENANT_JOB_BYTES: '100000' });
    const first = await api.sendLines(ndjson(...many(60, LONG)));
    expect(first.status).toBe(202);
    const before = { kept: (await api.kept()).sort(), taken: await taken() };
    const sent = openUpload(api.url);
    // It is refused while it is being sent.
    sent.write(`${ndjson(...many(60, LONG))}\n`);
    expect(await answerOf(sent)).toMatchObject({
      status: 429,
      body: { code: 'overloaded', detail: saying('100000 bytes') },
    });
    sent.destroy();
    await expect.poll(async () => ({ kept: (await api.kept()).sort(), taken: await taken() })).toEqual(before);
  });

  it('are free again when a job is removed', async () => {
    const api = await start({ TENANT_JOB_BYTES: '100000' });
    const first = await api.sendLines(ndjson(...many(60, LONG)));
    await work(api, first);
    expect((await api.sendLines(ndjson(...many(60, LONG)))).status).toBe(429);
    expect((await fetch(`${api.url}/v1/jobs/${first.body.id}`, { method: 'DELETE' })).status).toBe(204);
    expect(await taken()).toEqual({ rows: 0, bytes: 0 });
    expect((await api.sendLines(ndjson(...many(60, LONG)))).status).toBe(202);
  });

  it.each([
    ['413 where they never can', { MAX_JOB_BYTES: '50000' }, 413],
    ['429 where they could later', { TENANT_JOB_BYTES: '100000' }, 429],
  ])('that the Content-Length says cannot fit are refused before they are sent: %s', async (_, env, status) => {
    const api = await start(env);
    await room.settle('default', { ended: [], gone: [], there: [] });
    await room.hold('default', 'other', { rows: 1, bytes: 60_000 }, { rows: 1_000, bytes: 100_000 });
    const headers = { 'content-type': 'application/x-ndjson', 'content-length': '60000' };
    const sent = request(`${api.url}/v1/jobs`, { method: 'POST', headers }).on('error', () => undefined);
    // One line, so that the options are known.
    sent.write(`${ndjson(search('a'))}\n`);
    expect((await answerOf(sent)).status).toBe(status);
    sent.destroy();
    expect(await api.kept()).toEqual([]);
  });

  it('are bounded for a single job: 413 at the row that crosses, with nothing left behind', async () => {
    const api = await start({ MAX_JOB_BYTES: '50000' });
    const sent = openUpload(api.url);
    sent.write(`${ndjson(...many(60, LONG))}\n`);
    expect(await answerOf(sent)).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
    sent.destroy();
    await expect.poll(() => api.kept()).toEqual([]);
    await expect.poll(taken).toEqual({ rows: 0, bytes: 0 });
  });
});

describe('what Redis knows of jobs', () => {
  it('is told again from the blobs when it was lost, before anything more is let in', async () => {
    const api = await start({ TENANT_JOB_ROWS: '10' });
    const [ended, open] = [await api.sendLines(ndjson(...many(4))), await api.sendLines(ndjson(...many(6)))];
    await work(api, ended);
    const before = await taken();
    expect(before.rows).toBe(6);
    await redis.del('{rf}:admission:jobs:default', '{rf}:admission:jobs:default:uploads');
    expect((await api.sendLines(ndjson(...many(5)))).status).toBe(429);
    expect(await taken()).toEqual(before);
    expect((await room.held('default')).sizes.get(open.body.id)).toEqual({ rows: 6, bytes: (await api.record(open)).bytes });
  });

  it('is told again also where one job cannot be read, which keeps no other from being listed', async () => {
    const api = await start({});
    const [bad, good] = [await api.sendLines(ndjson(...many(4))), await api.sendLines(ndjson(...many(6)))];
    await api.blobs.put(recordKey('default', bad.body.id), '{"not what it');
    await redis.flushall();
    // Its memory of records is empty.
    const other = await start({});
    await announce(server);
    expect((await other.sendLines(ndjson(...many(1)))).status).toBe(202);
    expect((await room.held('default')).sizes.get(good.body.id)?.rows).toBe(6);
    const { data } = (await (await fetch(`${other.url}/v1/jobs`)).json()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toContain(good.body.id);
    expect(data.map(({ id }) => id)).not.toContain(bad.body.id);
  });

  it('is put right at a start: what is gone, what has ended, and what was never counted', async () => {
    const api = await start({});
    const [first, second] = [await api.sendLines(ndjson(...many(4))), await api.sendLines(ndjson(...many(6)))];
    await work(api, second);
    await expect.poll(taken).toMatchObject({ rows: 4 });
    const right = await taken();
    await room.free('default', first.body.id);
    await room.keep('default', 'none', { id: second.body.id, rows: 6, bytes: (await api.record(second)).bytes });
    await room.keep('default', 'job_none', { id: `job_${'0'.repeat(32)}`, rows: 1_000, bytes: 1_000 });
    await redis.hincrby('{rf}:admission:jobs:default', 'rows', 77);
    await start({});
    await expect.poll(taken, { timeout: 10_000 }).toEqual(right);
    expect([...(await room.held('default')).sizes.keys()].sort()).toEqual([first.body.id, second.body.id].sort());
  });

  it('forgets the upload of a process that died', async () => {
    const brief = new AdmissionJobRoom(redis, 50);
    const limits = { rows: 10, bytes: 1_000 };
    await room.settle('default', { ended: [], gone: [], there: [] });
    expect(await brief.hold('default', 'dead', { rows: 8, bytes: 10 }, limits)).toEqual({ outcome: 'held', rows: 2, bytes: 990 });
    expect(await room.hold('default', 'alive', { rows: 2, bytes: 10 }, limits)).toEqual({ outcome: 'held', rows: 0, bytes: 980 });
    await sleep(100);
    expect(await room.hold('default', 'alive', { rows: 10, bytes: 10 }, limits)).toEqual({ outcome: 'held', rows: 0, bytes: 990 });
    expect(await taken()).toEqual({ rows: 10, bytes: 10 });
  });

  it('is nothing after a job has been kept and freed, however often it was told', async () => {
    const limits = { rows: 10, bytes: 1_000 };
    await room.settle('default', { ended: [], gone: [], there: [] });
    await room.hold('default', 'upload', { rows: 3, bytes: 30 }, limits);
    for (let time = 0; time < 3; time += 1) await room.keep('default', 'upload', { id: 'job', rows: 5, bytes: 50 });
    expect(await taken()).toEqual({ rows: 5, bytes: 50 });
    for (let time = 0; time < 3; time += 1) await room.freeRows('default', 'job');
    expect(await taken()).toEqual({ rows: 0, bytes: 50 });
    for (let time = 0; time < 3; time += 1) await room.free('default', 'job');
    expect(await taken()).toEqual({ rows: 0, bytes: 0 });
    expect(await room.held('default')).toEqual({ sizes: new Map(), uploads: new Set(), ready: true });
  });
});
