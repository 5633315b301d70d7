import { readdir, readlink } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { batchJobSchema, jobListSchema, jobSchema, type JobListBody } from '@rerank-fleet/core/contracts';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { IngestJobs } from '@rerank-fleet/core/jobs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { JobsReadApi, parseLines, rowsOf, StreamClient } from './api-jobs-read-support.js';

const KEYS = JSON.stringify([
  { key: 'default-key-of-all-scopes', tenant: 'default', scopes: ['search', 'jobs', 'ingest', 'admin'] },
  { key: 'other-key-of-all-scopes', tenant: 'other', scopes: ['search', 'jobs', 'ingest', 'admin'] },
  { key: 'default-key-of-ingest', tenant: 'default', scopes: ['ingest'] },
  { key: 'default-key-of-search', tenant: 'default', scopes: ['search'] },
]);
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

let redis: RedisServer;
let stack: JobsReadApi;
let connection: Awaited<ReturnType<typeof connectRedis>>;

beforeAll(async () => {
  redis = await RedisServer.start();
  connection = await connectRedis(redis.url, { role: 'consumer', name: 'test' });
});
beforeEach(async () => {
  await connection.flushall();
  stack = await JobsReadApi.start({ redis });
});
afterEach(() => stack.close());
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

const many = (count: number): boolean[] => Array.from({ length: count }, () => true);
const ok = async <T>(answer: Promise<Response>): Promise<T> => {
  const response = await answer;
  expect(response.status).toBe(200);
  return (await response.json()) as T;
};

describe('GET /v1/jobs/{id}', () => {
  it('tells how a job stands while it runs, and how it ended', async () => {
    const record = await stack.submit([true, true, false, true, true], { metadata: { run: '7' } });
    const path = `/v1/jobs/${record.id}`;
    expect(jobSchema.parse(await ok(stack.get(path)))).toMatchObject({ kind: 'batch', status: 'in_progress', metadata: { run: '7' } });
    await stack.finishSlice(record, 1);
    expect(await ok(stack.get(path))).toMatchObject({ request_counts: { total: 5, processing: 2, succeeded: 2, errored: 1 } });
    await stack.finishSlice(record, 0);
    const ended = batchJobSchema.parse(await ok(stack.get(path)));
    expect(ended).toMatchObject({ status: 'completed', request_counts: { processing: 0, succeeded: 4, errored: 1 } });
  });

  it('knows nothing of another tenant’s jobs, and takes either scope', async () => {
    await stack.close();
    stack = await JobsReadApi.start({ redis, env: { API_KEYS: KEYS } });
    const record = await stack.submit([true], { tenantKey: 'default-key-of-all-scopes' });
    const status = async (key: string, path = ''): Promise<number> => (await stack.get(`/v1/jobs/${record.id}${path}`, bearer(key))).status;
    expect(await status('default-key-of-all-scopes')).toBe(200);
    expect(await status('other-key-of-all-scopes')).toBe(404);
    expect(await status('default-key-of-ingest')).toBe(404);
    expect(await status('default-key-of-search')).toBe(403);
    for (const path of ['/results', '/events']) {
      expect(await status('other-key-of-all-scopes', path)).toBe(404);
      expect(await status('default-key-of-ingest', path)).toBe(403);
    }
    const removed = await stack.get(`/v1/jobs/${record.id}`, bearer('other-key-of-all-scopes'), 'DELETE');
    expect(removed.status).toBe(404);
  });

  it('tells of jobs that have ended while Redis is away, and says so where it is needed', async () => {
    const own = await RedisServer.start();
    const api = await JobsReadApi.start({ redis: own });
    try {
      const [ended, running] = [await api.submit([true]), await api.submit([true, false])];
      await api.finish(ended);
      await own.kill();
      expect(await ok(api.get(`/v1/jobs/${ended.id}`))).toMatchObject({ status: 'completed' });
      expect(rowsOf(await api.results(ended))).toEqual([1]);
      expect(await ok(api.get(`/v1/jobs/${running.id}`))).toMatchObject({ status: 'queued', request_counts: { errored: 1 } });
      expect((await api.get(`/v1/jobs/${running.id}/results`)).status).toBe(503);
    } finally {
      await own.resume();
      await api.close();
      await own.stop();
    }
  });
});

describe('GET /v1/jobs', () => {
  const page = async (query: string): Promise<JobListBody> => jobListSchema.parse(await ok(stack.get(`/v1/jobs${query}`)));

  it('lists batches and uploads together, newest first, page by page', async () => {
    const ids: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      ids.unshift((await stack.submit([true])).id);
      const upload = stack.api.adapters.jobs.begin({ tenant: 'default', corpus: 'manuals', corpusId: 'c' });
      await upload.add({ line: 1, document: { id: 'd', text: 'text' } });
      ids.unshift((await upload.commit(async () => 1)).id);
    }
    const seen: string[] = [];
    let query = '?limit=4';
    for (let pages = 1; ; pages += 1) {
      const { data, has_more: hasMore, next } = await page(query);
      seen.push(...data.map(({ id }) => id));
      if (!hasMore) {
        expect(pages).toBe(2);
        break;
      }
      query = `?limit=4&after=${next}`;
    }
    expect(seen).toEqual(ids);
    expect((await page('?kind=ingest')).data.map(({ kind }) => kind)).toEqual(['ingest', 'ingest', 'ingest']);
    expect((await page('?kind=batch&limit=2')).data.map(({ id }) => id)).toEqual([ids[1], ids[3]]);
  });

  it('keeps to a status', async () => {
    const [first] = [await stack.submit([true]), await stack.submit([true])];
    await stack.finish(first);
    expect((await page('?status=completed')).data.map(({ id }) => id)).toEqual([first.id]);
    expect(await page('?status=failed')).toEqual({ object: 'list', data: [], has_more: false });
  });

  it.each(['?limit=0', '?limit=101', '?limit=x', '?after=nonsense', '?kind=other', '?status=done', '?colour=red'])(
    'refuses %s',
    async (query) => {
      expect((await stack.get(`/v1/jobs${query}`)).status).toBe(400);
    },
  );
});

describe('DELETE /v1/jobs/{id}', () => {
  it('forgets a job that has ended, whole and at once, in every process', async () => {
    const other = await JobsReadApi.start({ redis, directory: stack.api.directory });
    try {
      const record = await stack.submit([true, false]);
      const path = `/v1/jobs/${record.id}`;
      expect((await other.get(path)).status).toBe(200);
      const early = await stack.get(path, {}, 'DELETE');
      expect([early.status, ((await early.json()) as { code: string }).code]).toEqual([409, 'job_not_ended']);
      await stack.finish(record);
      expect((await stack.get(path, {}, 'DELETE')).status).toBe(204);
      expect(await stack.api.kept()).toEqual([]);
      for (const api of [stack, other]) {
        for (const suffix of ['', '/results', '/events']) expect((await api.get(path + suffix)).status).toBe(404);
        expect((await api.get(path, {}, 'DELETE')).status).toBe(404);
        expect(await ok(api.get('/v1/jobs'))).toMatchObject({ data: [] });
      }
    } finally {
      await other.close();
    }
  });

  it('forgets an upload of documents when it is done', async () => {
    const upload = stack.api.adapters.jobs.begin({ tenant: 'default', corpus: 'manuals', corpusId: 'c' });
    await upload.add({ line: 1, document: { id: 'd', text: 'text' } });
    const job = await upload.commit(async () => 1);
    const remove = async (): Promise<number> => (await stack.get(`/v1/jobs/${job.id}`, {}, 'DELETE')).status;
    expect(await remove()).toBe(409);
    await new IngestJobs(stack.api.blobs).finishSlice(job, 0, { kind: 'ingest', succeeded: 1, errors: [] });
    expect(await remove()).toBe(204);
    expect(await remove()).toBe(404);
    expect(await ok(stack.get('/v1/jobs'))).toMatchObject({ data: [] });
  });
});

describe('GET /v1/jobs/{id}/results', () => {
  it('gives what is there while the job runs, and goes on behind a cursor', async () => {
    const record = await stack.submit([true, true, false, true, true, true]);
    expect(rowsOf(await stack.results(record))).toEqual([3]);
    await stack.finishSlice(record, 1);
    const lines = await stack.results(record);
    expect(rowsOf(lines)).toEqual([3, 4, 5]);
    await stack.finishSlice(record, 0);
    await stack.finishSlice(record, 2);
    expect(rowsOf(await stack.results(record, `?after=${lines[1]!.cursor}`))).toEqual([5, 1, 2, 6]);
    expect(rowsOf(await stack.results(record, '?order=submission'))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(rowsOf(await stack.results(record, '?status=errored'))).toEqual([3]);
  });

  it('shows nothing that does not count', async () => {
    const record = await stack.submit(many(4));
    await stack.api.jobs.writeResults(record, { v: 1, slice: 0, succeeded: 2, errored: 0, cancelled: 0, expired: 0, pairs: 1 }, []);
    expect(await stack.results(record)).toEqual([]);
  });

  it('gives each line once to clients that come back, also after Redis lost its memory', async () => {
    const record = await stack.submit(many(8));
    await stack.finishSlice(record, 2);
    const [first] = await stack.results(record);
    await connection.flushall();
    expect(await stack.results(record, `?after=${first!.cursor}`)).toEqual([]);
    await stack.keeper.recover();
    await stack.finishSlice(record, 0);
    const rest = await stack.results(record, `?after=${first!.cursor}`);
    expect(rowsOf(rest)).toEqual([6, 1, 2]);
    for (const slice of [3, 1]) await stack.finishSlice(record, slice);
    expect(rowsOf(await stack.results(record, `?after=${rest.at(-1)!.cursor}`))).toEqual([3, 4, 7, 8]);
  });

  it('says of the rows of a cancelled job that they never ran', async () => {
    const record = await stack.submit([true, true, false, true]);
    await stack.finishSlice(record, 0);
    await stack.keeper.close(record, 'cancelled');
    // What is in the queue was handed out; nobody answers for it.
    await stack.keeper.finish(record.tenant, record.id);
    expect((await stack.results(record)).map(({ row, status, custom_id: id }) => [row, status, id])).toEqual([
      [3, 'errored', 'r3'],
      [1, 'succeeded', 'r1'],
      [2, 'succeeded', 'r2'],
      [4, 'cancelled', 'r4'],
    ]);
  });

  it('follows a job until its last line', async () => {
    const record = await stack.submit(many(6));
    const client = (await StreamClient.open(`${stack.api.url}/v1/jobs/${record.id}/results?follow=true`)).read();
    for (const slice of [1, 2, 0]) {
      await stack.finishSlice(record, slice);
      await expect.poll(() => rowsOf(parseLines(client.text)), { timeout: 10_000 }).toContain(slice * 2 + 1);
    }
    expect(await client.end()).toBe(true);
    expect(rowsOf(parseLines(client.text))).toEqual([3, 4, 5, 6, 1, 2]);
  });

  it('follows in order of submission, and finds the end of a job that Redis has forgotten', async () => {
    const record = await stack.submit(many(4));
    const client = (await StreamClient.open(`${stack.api.url}/v1/jobs/${record.id}/results?follow=true&order=submission`)).read();
    await stack.finishSlice(record, 1);
    await connection.flushall();
    await stack.keeper.recover();
    await stack.finishSlice(record, 0);
    expect(await client.end()).toBe(true);
    expect(rowsOf(parseLines(client.text))).toEqual([1, 2, 3, 4]);
  });

  it('packs what it sends for clients that take gzip, line by line where they follow', async () => {
    const record = await stack.submit(many(4));
    const headers = { 'accept-encoding': 'br;q=1, gzip' };
    const client = await StreamClient.open(`${stack.api.url}/v1/jobs/${record.id}/results?follow=true`, headers);
    expect(client.response.headers).toMatchObject({ 'content-encoding': 'gzip', 'content-type': 'application/x-ndjson' });
    const chunks: Buffer[] = [];
    client.response.on('data', (chunk: Buffer) => chunks.push(chunk));
    await stack.finishSlice(record, 1);
    const unpacked = (): string => {
      try {
        return gunzipSync(Buffer.concat(chunks), { finishFlush: 2 }).toString();
      } catch {
        return '';
      }
    };
    await expect.poll(() => rowsOf(parseLines(unpacked())), { timeout: 10_000 }).toEqual([3, 4]);
    await stack.finishSlice(record, 0);
    expect(await client.end()).toBe(true);
    expect(rowsOf(parseLines(unpacked()))).toEqual([3, 4, 1, 2]);
    const plain = await StreamClient.open(`${stack.api.url}/v1/jobs/${record.id}/results`, { 'accept-encoding': 'gzip;q=0' });
    expect(plain.response.headers).not.toHaveProperty('content-encoding');
    plain.leave();
  });

  it.each(['?after=nonsense', '?after=', '?order=random', '?status=done', '?follow=1', '?limit=5'])('refuses %s', async (query) => {
    const record = await stack.submit([true]);
    const answer = await stack.get(`/v1/jobs/${record.id}/results${query}`);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([400, 'invalid_request']);
  });

  it('refuses a cursor of another job', async () => {
    const [one, other] = [await stack.submit([true, false]), await stack.submit([true, false])];
    const [line] = await stack.results(one);
    const answer = await stack.get(`/v1/jobs/${other.id}/results?after=${line!.cursor}`);
    expect(await answer.json()).toMatchObject({ code: 'invalid_request', errors: [{ pointer: '/after', detail: 'is of another job' }] });
  });

  it('answers HEAD without reading anything', async () => {
    const record = await stack.submit([true]);
    const answer = await stack.get(`/v1/jobs/${record.id}/results?follow=true`, {}, 'HEAD');
    expect([answer.status, await answer.text()]).toEqual([200, '']);
  });
});

const LARGE = 'x'.repeat(400_000);
const large = (row: number) => ({ row, status: 'errored' as const, error: { code: 'internal_error' as const, message: LARGE } });

describe('clients that do not behave', () => {
  /** Blobs that are open in this process, in which the API runs. */
  const openBlobs = async (): Promise<string[]> => {
    const handles = await readdir('/proc/self/fd');
    const targets = await Promise.all(handles.map((handle) => readlink(`/proc/self/fd/${handle}`).catch(() => '')));
    return targets.filter((target) => target.startsWith(stack.api.directory));
  };

  async function withLargeResults() {
    const record = await stack.submit(many(60));
    for (let slice = 0; slice < record.slices; slice += 1) await stack.finishSlice(record, slice, large);
    return record;
  }

  it('a client that stops reading makes no memory grow, and is cut off in time', async () => {
    await stack.close();
    stack = await JobsReadApi.start({ redis, env: { STREAM_IDLE_MS: '1500' } });
    const record = await withLargeResults();
    const before = process.memoryUsage().arrayBuffers;
    const clients = await Promise.all(Array.from({ length: 5 }, () => StreamClient.open(`${stack.api.url}/v1/jobs/${record.id}/results`)));
    for (const client of clients) client.response.pause();
    await expect.poll(async () => (await openBlobs()).length, { timeout: 5_000 }).toBeGreaterThanOrEqual(5);
    // 24 MB of results each; a few chunks of them, and what the sockets of both ends take, are under way.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5 * 6_000_000);
    await expect.poll(openBlobs, { timeout: 15_000 }).toEqual([]);
    for (const client of clients) expect(await client.read().end()).toBe(false);
  });

  it('a client that leaves frees everything', async () => {
    const record = await withLargeResults();
    const running = await stack.submit(many(2));
    for (let round = 0; round < 3; round += 1) {
      const clients = await Promise.all(
        ['results', 'results?order=submission', 'results?follow=true'].map((path) =>
          StreamClient.open(`${stack.api.url}/v1/jobs/${record.id}/${path}`, round === 1 ? { 'accept-encoding': 'gzip' } : {}),
        ),
      );
      const waiting = await Promise.all(
        ['results?follow=true', 'events'].map((path) => StreamClient.open(`${stack.api.url}/v1/jobs/${running.id}/${path}`)),
      );
      for (const client of [...clients, ...waiting]) client.leave();
    }
    await expect.poll(openBlobs, { timeout: 10_000 }).toEqual([]);
    const gone = (): number => stack.api.log.filter((line) => line.includes('"client_gone":true')).length;
    await expect.poll(gone, { timeout: 10_000 }).toBe(15);
    expect(stack.api.log.filter((line) => line.includes('cut off by a fault'))).toEqual([]);
  });
});
