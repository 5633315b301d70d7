import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import type { OpenAiError, OpenAiFile } from '@rerank-fleet/core/contracts';
import { FileStore, OpenAiBatches, purgeFiles } from '@rerank-fleet/core/jobs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/stack.js';
import { JobsApi } from './jobs-support.js';

const MAX_BYTES = 200_000;
let api: JobsApi;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rerank-files-'));
  api = await JobsApi.start({ directory, env: { MAX_INGEST_BYTES: String(MAX_BYTES) } });
});
afterAll(async () => {
  await api.close();
  await rm(directory, { recursive: true });
});

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Of every blob on the disk, whole or not. */
async function bytesOnDisk(): Promise<number> {
  const entries = await readdir(join(directory, 'blobs'), { recursive: true, withFileTypes: true });
  const sizes = entries.filter((entry) => entry.isFile()).map((entry) => stat(join(entry.parentPath, entry.name)).then(({ size }) => size));
  return (await Promise.all(sizes.map((size) => size.catch(() => 0)))).reduce((sum, size) => sum + size, 0);
}

const kept = (): Promise<string[]> => all(api.blobs.list('openai'));
afterEach(async () => api.blobs.deleteUnder('openai'));

interface FileAnswer {
  readonly status: number;
  readonly body: OpenAiFile & OpenAiError;
}

async function send(
  body: FormData | string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<FileAnswer> {
  const answer = await fetch(`${api.url}/v1/files`, { method: 'POST', body, headers });
  return { status: answer.status, body: (await answer.json()) as FileAnswer['body'] };
}

function form(fields: Readonly<Record<string, string | Blob>>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string') data.append(name, value);
    else data.append(name, value, 'in.jsonl');
  }
  return data;
}

const lines = (bytes = 10): Blob => new Blob(['x'.repeat(bytes)]);

/** The same form as bytes, for those who send it otherwise than whole. */
async function bytesOf(data: FormData): Promise<{ readonly bytes: Buffer<ArrayBuffer>; readonly type: string }> {
  const whole = new Response(data);
  return { bytes: Buffer.from(await whole.arrayBuffer()), type: whole.headers.get('content-type')! };
}

function open(type: string): ClientRequest {
  const sent = request(`${api.url}/v1/files`, { method: 'POST', headers: { 'content-type': type } });
  return sent.on('error', () => undefined);
}

describe('POST /v1/files', () => {
  it('takes the purpose before the file and behind it', async () => {
    for (const fields of [
      { purpose: 'batch', file: lines() },
      { file: lines(), purpose: 'batch' },
    ]) {
      expect(await send(form(fields))).toMatchObject({ status: 200, body: { object: 'file', bytes: 10, filename: 'in.jsonl' } });
    }
    expect(await kept()).toHaveLength(4);
  });

  it.each<[string, Readonly<Record<string, string | Blob>>, string]>([
    ['no file', { purpose: 'batch' }, 'file'],
    ['no purpose', { file: lines() }, 'purpose'],
    ['another purpose', { file: lines(), purpose: 'fine-tune' }, 'purpose'],
    ['a file of another name', { document: lines(), purpose: 'batch' }, 'document'],
    ['a life that is too short', { file: lines(), purpose: 'batch', 'expires_after[seconds]': '10' }, 'expires_after[seconds]'],
    ['a life that is no number', { file: lines(), purpose: 'batch', 'expires_after[seconds]': 'x' }, 'expires_after[seconds]'],
  ])('refuses %s and keeps nothing', async (_, fields, param) => {
    const { status, body } = await send(form(fields));
    expect({ status, ...body.error }).toMatchObject({ status: 400, type: 'invalid_request_error', code: 'invalid_request', param });
    expect(await kept()).toEqual([]);
  });

  it('keeps nothing of a body that is cut short', async () => {
    const { bytes, type } = await bytesOf(form({ purpose: 'batch', file: lines(100_000) }));
    for (const end of [bytes.length - 10, bytes.length - 200, 50_000, 60]) {
      expect(await send(bytes.subarray(0, end), { 'content-type': type })).toMatchObject({
        status: 400,
        body: { error: { code: 'invalid_request', message: expect.stringMatching(/cut short|is required/) as string } },
      });
    }
    expect(await kept()).toEqual([]);
  });

  it('keeps nothing of an upload whose client leaves', async () => {
    const { bytes, type } = await bytesOf(form({ purpose: 'batch', file: lines(100_000) }));
    const sent = open(type);
    sent.write(bytes.subarray(0, 80_000));
    await until('some of it to be written', async () => (await bytesOnDisk()) > 50_000);
    sent.destroy();
    await until('nothing to be left', async () => (await bytesOnDisk()) === 0);
    expect(await kept()).toEqual([]);
  });

  it('refuses a body that is too large by what it says of itself', async () => {
    expect(await send(form({ purpose: 'batch', file: lines(MAX_BYTES) }))).toMatchObject({
      status: 413,
      body: { error: { code: 'payload_too_large', type: 'invalid_request_error', param: null } },
    });
    expect(await kept()).toEqual([]);
  });

  it('refuses a body of unknown length at the byte that is too much', async () => {
    const { bytes, type } = await bytesOf(form({ purpose: 'batch', file: lines(MAX_BYTES * 2) }));
    const sent = open(type);
    const answer = once(sent, 'response') as Promise<[IncomingMessage]>;
    sent.write(bytes.subarray(0, MAX_BYTES + 10_000));
    const [refusal] = await answer;
    expect(refusal.statusCode).toBe(413);
    expect(JSON.parse(await text(refusal))).toMatchObject({ error: { code: 'payload_too_large' } });
    sent.destroy();
    expect(await kept()).toEqual([]);
  });

  it('takes a request that is gzip, with a bound on what it unpacks to', async () => {
    const { bytes, type } = await bytesOf(form({ purpose: 'batch', file: lines(50_000) }));
    const headers = { 'content-type': type, 'content-encoding': 'gzip' };
    expect(await send(gzipSync(bytes), headers)).toMatchObject({ status: 200, body: { bytes: 50_000 } });
    await api.blobs.deleteUnder('openai');
    expect(await send(gzipSync(bytes).subarray(0, -20), headers)).toMatchObject({ status: 400 });
    const bomb = await bytesOf(form({ purpose: 'batch', file: lines(MAX_BYTES * 10) }));
    expect(await send(gzipSync(bomb.bytes), { ...headers, 'content-type': bomb.type })).toMatchObject({ status: 413 });
    expect(await kept()).toEqual([]);
  });

  it('refuses a file that is gzip itself', async () => {
    const file = new Blob([gzipSync('{"custom_id":"a"}\n')]);
    const { status, body } = await send(form({ purpose: 'batch', file }));
    expect({ status, ...body.error }).toMatchObject({ status: 400, param: 'file', message: expect.stringContaining('gzip') as string });
    expect(await kept()).toEqual([]);
  });

  it('refuses what is no form, and forms elsewhere', async () => {
    expect(await send('{}', { 'content-type': 'application/json' })).toMatchObject({
      status: 415,
      body: { error: { code: 'unsupported_media_type' } },
    });
    expect(await send('x', { 'content-type': 'multipart/form-data' })).toMatchObject({ status: 400 });
    const answer = await fetch(`${api.url}/v1/jobs`, { method: 'POST', body: form({ file: lines() }) });
    expect(answer.status).toBe(415);
  });
});

describe('purgeFiles', () => {
  it('removes what nobody will ask for, and nothing else', async () => {
    const root = await mkdtemp(join(tmpdir(), 'rerank-purge-'));
    const blobs = new FileBlobStore(root);
    let nowMs = 1_800_000_000_000;
    const now = (): number => nowMs;
    const files = new FileStore(blobs, now);
    const batches = new OpenAiBatches(blobs);
    const errors: object[] = [];
    const log = { error: (fields: object): void => void errors.push(fields) };
    const removed: string[] = [];
    const onRemoved = async (tenant: string, id: string): Promise<void> => void removed.push(`${tenant} ${id}`);
    const purge = (): Promise<void> => purgeFiles({ blobs, files, batches, jobs: api.jobs, onRemoved, log, now });
    const add = async (expiresAfterMs: number): Promise<string> => {
      const id = files.newId();
      await files.write('acme', id, Readable.from(['x']));
      await files.publish('acme', { id, bytes: 1, filename: 'f', expiresAfterMs });
      return id;
    };
    const batch = {
      v: 1 as const,
      tenant: 'acme',
      input_file_id: 'file-0',
      endpoint: '/v1/rerank' as const,
      completion_window: '1h',
      created_ms: nowMs,
      expires_ms: nowMs + 3_600_000,
    };
    const [unchecked, failed, orphan] = [batches.newId(nowMs), batches.newId(nowMs), batches.newId(nowMs)];
    for (const id of [unchecked, failed, orphan]) await batches.create({ ...batch, id }, { owner: 'me', touched_ms: nowMs });
    await batches.end({ tenant: 'acme', id: failed }, { status: 'failed', ended_ms: nowMs });
    await batches.letGo({ tenant: 'acme', id: failed });
    await batches.letGo({ tenant: 'acme', id: orphan });
    const short = await add(3_600_000);
    const long = await add(1e9);
    const abandoned = files.newId();
    await files.write('acme', abandoned, Readable.from(['x']));

    await purge();
    expect(await all(files.list('acme'))).toEqual([short, long].sort().reverse());
    expect(await all(batches.list('acme'))).toEqual([unchecked, failed].sort().reverse());

    nowMs += 25 * 3_600_000;
    expect(await files.find('acme', short)).toBeUndefined();
    await purge();
    expect(await all(blobs.list('openai/contents'))).toEqual([`openai/contents/acme/${long}`]);
    expect(await all(files.list('acme'))).toEqual([long]);
    expect(removed).toEqual([`acme ${short}`]);

    nowMs += 31 * 24 * 3_600_000;
    await purge();
    expect(await all(batches.list('acme'))).toEqual([unchecked]);
    expect(await all(blobs.list('openai/ended'))).toEqual([]);
    expect(errors).toEqual([]);
    await rm(root, { recursive: true });
  });
});
