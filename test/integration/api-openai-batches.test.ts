import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OpenAiBatch, OpenAiBatchList, OpenAiError, OpenAiFile } from '@rerank-fleet/core/contracts';
import { OpenAiBatches, type BatchHold, type OpenAiBatchRecord } from '@rerank-fleet/core/jobs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/stack.js';
import { JobsApi, ndjson } from './jobs-support.js';

let redis: RedisServer;
let directory: string;
const open: JobsApi[] = [];
beforeEach(async () => {
  redis = await RedisServer.start();
  directory = await mkdtemp(join(tmpdir(), 'rerank-openai-'));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((api) => api.close()));
  await redis.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Another API process on the same Redis and blobs. */
async function start(env: Readonly<Record<string, string>> = {}): Promise<JobsApi> {
  const api = await JobsApi.start({ redis, directory, env });
  open.push(api);
  return api;
}

async function stop(api: JobsApi): Promise<void> {
  open.splice(open.indexOf(api), 1);
  await api.close();
}

const row = (id: string): object => ({ custom_id: id, method: 'POST', url: '/v1/rerank', body: { query: 'q', documents: ['one', 'two'] } });
const rows = (count: number): string => ndjson(...Array.from({ length: count }, (_, at) => row(`row-${at}`)));

async function upload(api: JobsApi, text: string): Promise<string> {
  const form = new FormData();
  form.append('purpose', 'batch');
  form.append('file', new Blob([text]), 'in.jsonl');
  const answer = await fetch(`${api.url}/v1/files`, { method: 'POST', body: form });
  return ((await answer.json()) as OpenAiFile).id;
}

async function call(api: JobsApi, path: string, body?: object): Promise<OpenAiBatch & OpenAiError> {
  const init = body && { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const answer = await fetch(`${api.url}/v1/batches${path}`, init);
  return (await answer.json()) as OpenAiBatch & OpenAiError;
}

const create = (api: JobsApi, input: string): Promise<OpenAiBatch> =>
  call(api, '', { input_file_id: input, endpoint: '/v1/rerank', completion_window: '1h' });
const get = (api: JobsApi, { id }: Pick<OpenAiBatch, 'id'>): Promise<OpenAiBatch & OpenAiError> => call(api, `/${id}`);
const reaches = (api: JobsApi, batch: Pick<OpenAiBatch, 'id'>, status: string): Promise<void> =>
  until(`the status ${status}`, async () => (await get(api, batch)).status === status, 30_000);

/** What a process leaves that dies with a batch in hand. */
async function plant(api: JobsApi, hold: BatchHold, more: Partial<OpenAiBatchRecord> = {}): Promise<Pick<OpenAiBatch, 'id'>> {
  const batches = new OpenAiBatches(api.blobs);
  const created_ms = Date.now();
  const id = batches.newId(created_ms);
  const times = { created_ms, expires_ms: created_ms + 3_600_000 };
  const batch = {
    v: 1,
    id,
    tenant: 'default',
    input_file_id: 'file-none',
    endpoint: '/v1/rerank',
    completion_window: '1h',
    ...times,
  } as const;
  await batches.create({ ...batch, ...more }, hold);
  return { id: id.replace('job_', 'batch_') };
}

const uploads = async (api: JobsApi): Promise<number> =>
  new Set((await api.kept()).filter((key) => key.startsWith('uploads/')).map((key) => key.split('/')[2])).size;
async function unchecked(api: JobsApi): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of api.blobs.list('openai/unchecked')) keys.push(key);
  return keys;
}

describe('a batch whose input is being checked', () => {
  it('becomes a job of native rows', async () => {
    const api = await start();
    const batch = await create(api, await upload(api, `${rows(300)}\nnot json`));
    expect(batch.status).toBe('validating');
    await reaches(api, batch, 'in_progress');
    expect((await get(api, batch)).request_counts).toEqual({ total: 301, completed: 0, failed: 1 });
    const record = await api.jobs.record('default', batch.id.replace('batch_', 'job_'));
    expect(record).toMatchObject({
      dialect: 'openai',
      total: 301,
      rejected: 1,
      openai: { endpoint: '/v1/rerank', completion_window: '1h' },
    });
    expect(Math.floor(record!.expires_ms / 1_000)).toBe(batch.expires_at);
    expect((await api.requests(record!))[0]).toEqual({ custom_id: 'row-0', query: 'q', documents: ['one', 'two'] });
    await until('nobody to hold it', async () => (await unchecked(api)).length === 0);
  });

  it('is taken up by another process when its own has died', async () => {
    const first = await start();
    const input = await upload(first, rows(3));
    const fresh = await plant(first, { owner: 'alive', touched_ms: Date.now() }, { input_file_id: input });
    const stale = await plant(first, { owner: 'dead', touched_ms: Date.now() - 120_000 }, { input_file_id: input });
    await stop(first);
    const second = await start();
    await reaches(second, stale, 'in_progress');
    expect((await get(second, fresh)).status).toBe('validating');
  });

  it('becomes one job when two processes take it up at the same time', async () => {
    const first = await start();
    const batch = await plant(first, { owner: 'dead', touched_ms: 0 }, { input_file_id: await upload(first, rows(2_000)) });
    await stop(first);
    const [one, two] = await Promise.all([start(), start()]);
    await Promise.all([reaches(one, batch, 'in_progress'), reaches(two, batch, 'in_progress')]);
    await until('nobody to hold it', async () => (await unchecked(one)).length === 0);
    await until('one upload to be left', async () => (await uploads(one)) === 1);
    expect(await get(two, batch)).toMatchObject({ request_counts: { total: 2_000 } });
  });

  it('waits while Redis is away, is handed on when its process stops, and can be cancelled meanwhile', async () => {
    const first = await start();
    const input = await upload(first, rows(3));
    await redis.kill();
    const kept = await create(first, input);
    const dropped = await create(first, input);
    const isHandedOn = async (): Promise<boolean> => {
      const holds = await Promise.all((await unchecked(first)).map((key) => first.blobs.get(key)));
      return holds.length === 2 && holds.every((hold) => hold?.toString().includes('"touched_ms":0') === true);
    };
    await until('both to be handed on', isHandedOn, 30_000);
    expect((await get(first, kept)).status).toBe('validating');

    expect(['cancelling', 'cancelled']).toContain((await call(first, `/${dropped.id}/cancel`, {})).status);
    await reaches(first, dropped, 'cancelled');
    const cancelled = await get(first, dropped);
    expect(cancelled.cancelled_at).toBeGreaterThanOrEqual(cancelled.cancelling_at!);
    expect(cancelled).toMatchObject({ in_progress_at: null, output_file_id: null, error_file_id: null });

    await redis.resume();
    await stop(first);
    const second = await start();
    await reaches(second, kept, 'in_progress');
    expect((await get(second, dropped)).status).toBe('cancelled');
  });

  it('fails when its input is gone by then', async () => {
    const first = await start();
    const batch = await plant(first, { owner: 'dead', touched_ms: 0 });
    await stop(first);
    const second = await start();
    await reaches(second, batch, 'failed');
    expect((await get(second, batch)).errors?.data).toEqual([
      { code: 'file_not_found', line: null, message: expect.any(String) as string, param: 'input_file_id' },
    ]);
    expect(await unchecked(second)).toEqual([]);
  });

  it('fails with its first bad lines when none is good', async () => {
    const api = await start();
    const batch = await create(api, await upload(api, 'x\n'.repeat(500)));
    await reaches(api, batch, 'failed');
    const { errors } = await get(api, batch);
    expect(errors?.data).toHaveLength(20);
    expect(errors?.data.map(({ line }) => line)).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
    expect(await uploads(api)).toBe(0);
  });
});

describe('a batch that admission has no room for', () => {
  it.each([
    ['MAX_JOB_ROWS', 'payload_too_large'],
    ['TENANT_JOB_ROWS', 'overloaded'],
  ])('by %s fails and says so', async (setting, code) => {
    const api = await start({ [setting]: '100' });
    if (code === 'overloaded') await reaches(api, await create(api, await upload(api, rows(60))), 'in_progress');
    const batch = await create(api, await upload(api, rows(code === 'overloaded' ? 60 : 120)));
    await reaches(api, batch, 'failed');
    expect((await get(api, batch)).errors?.data).toMatchObject([{ code, line: null }]);
  });
});

describe('a batch that is a job', () => {
  it('is gone when the job is removed', async () => {
    const api = await start();
    const batch = await create(api, await upload(api, rows(3)));
    await reaches(api, batch, 'in_progress');
    await call(api, `/${batch.id}/cancel`, {});
    await reaches(api, batch, 'cancelled');
    const { error_file_id: file } = await get(api, batch);
    expect((await fetch(`${api.url}/v1/files/${file}/content`)).status).toBe(200);
    const removed = await fetch(`${api.url}/v1/jobs/${batch.id.replace('batch_', 'job_')}`, { method: 'DELETE' });
    expect(removed.status).toBe(204);
    expect((await get(api, batch)).error).toMatchObject({ code: 'job_not_found', type: 'invalid_request_error' });
    expect((await fetch(`${api.url}/v1/files/${file}/content`)).status).toBe(404);
    expect(((await call(api, '')) as unknown as OpenAiBatchList).data).toEqual([]);
  });

  it('names the fields that had no effect', async () => {
    const api = await start();
    const body = {
      input_file_id: await upload(api, rows(1)),
      endpoint: '/v1/rerank',
      completion_window: '24h',
      output_expires_after: {},
      metadata: null,
    };
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${api.url}/v1/batches`, { method: 'POST', body: JSON.stringify(body), headers });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-ignored-fields')).toBe('output_expires_after');
    expect(await answer.json()).toMatchObject({ metadata: null });
  });
});
