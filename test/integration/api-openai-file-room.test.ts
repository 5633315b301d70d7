import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import type { OpenAiError, OpenAiFile } from '@rerank-fleet/core/contracts';
import { FileStore } from '@rerank-fleet/core/jobs';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { JobsApi } from './jobs-support.js';

const started: JobsApi[] = [];
afterEach(async () => {
  for (const api of started.splice(0)) await api.close();
});

async function start(env: Readonly<Record<string, string>>, redis?: RedisServer): Promise<JobsApi> {
  const api = await JobsApi.start({ env, ...(redis === undefined ? {} : { redis }) });
  started.push(api);
  return api;
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: OpenAiFile & OpenAiError;
}

async function send(api: JobsApi, bytes: number, more: RequestInit = {}): Promise<Answer> {
  const form = new FormData();
  form.append('purpose', 'batch');
  form.append('file', new Blob(['x'.repeat(bytes)]), 'in.jsonl');
  const answer = await fetch(`${api.url}/v1/files`, { method: 'POST', body: form, ...more });
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: (await answer.json()) as Answer['body'] };
}

const remove = (api: JobsApi, id: string) => fetch(`${api.url}/v1/files/${id}`, { method: 'DELETE' });

async function listed(api: JobsApi): Promise<number> {
  const { data } = (await (await fetch(`${api.url}/v1/files`)).json()) as { readonly data: readonly OpenAiFile[] };
  return data.length;
}

describe('files of a tenant', () => {
  it('are as many as may be, until one is deleted', async () => {
    const api = await start({ TENANT_FILES: '2' });
    const [first] = [await send(api, 10), await send(api, 10)];
    const refused = await send(api, 10);
    expect(refused).toMatchObject({ status: 429, body: { error: { code: 'overloaded' } } });
    expect(refused.body.error.message).toContain('TENANT_FILES');
    expect(Number(refused.retryAfter)).toBeGreaterThan(0);
    expect(await listed(api)).toBe(2);
    expect((await remove(api, first.body.id)).status).toBe(200);
    expect((await send(api, 10)).status).toBe(200);
  });

  it('take as many bytes as may be, also where their sender says nothing of them', async () => {
    const api = await start({ TENANT_FILE_BYTES: '100000' });
    expect((await send(api, 60_000)).status).toBe(200);
    expect(await send(api, 60_000)).toMatchObject({ status: 429, body: { error: { code: 'overloaded' } } });
    const boundary = 'limit-of-the-form';
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n`;
    const body = Readable.toWeb(Readable.from([Buffer.from(head), Buffer.alloc(60_000, 'x'), Buffer.from(`\r\n--${boundary}--\r\n`)]));
    const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` };
    const untold = await send(api, 0, { body, headers, duplex: 'half' });
    expect(untold).toMatchObject({ status: 429, body: { error: { code: 'overloaded' } } });
    expect(await send(api, 120_000)).toMatchObject({ status: 413, body: { error: { code: 'payload_too_large' } } });
    expect((await send(api, 30_000)).status).toBe(200);
    expect(await listed(api)).toBe(2);
  });

  it('are let in one by one where many come at the same time', async () => {
    const api = await start({ TENANT_FILES: '3' });
    const answers = await Promise.all(Array.from({ length: 8 }, () => send(api, 1_000)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 429, 429, 429, 429, 429]);
    expect(await listed(api)).toBe(3);
  });

  it('give their room back where they were refused for what they are', async () => {
    const api = await start({ TENANT_FILES: '1' });
    const form = new FormData();
    form.append('file', new Blob(['x']), 'in.jsonl');
    for (let round = 0; round < 3; round += 1)
      expect((await fetch(`${api.url}/v1/files`, { method: 'POST', body: form })).status).toBe(400);
    expect((await send(api, 10)).status).toBe(200);
  });

  it('are counted though Redis has lost what it knew, and no more when they went meanwhile', async () => {
    const redis = await RedisServer.start();
    const api = await start({ TENANT_FILES: '2' }, redis);
    const { body } = await send(api, 10);
    await send(api, 10);
    const connection = await connectRedis(redis.url, { role: 'producer', name: 'test' });
    await connection.flushall();
    expect((await send(api, 10)).status).toBe(429);
    // One that another process deleted, and died before it said so.
    await new FileStore(api.blobs, Date.now).delete('default', body.id);
    expect((await send(api, 10)).status).toBe(200);
    expect((await send(api, 10)).status).toBe(429);
    connection.disconnect();
    for (const each of started.splice(0)) await each.close();
    await redis.stop();
  });
});
