import OpenAI, { APIError, toFile } from 'openai';
import type { Batch, BatchCreateParams } from 'openai/resources/batches';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestStack, until, type TestStack } from '../support/stack.js';
import { DOCUMENTS, ORDER, QUERY } from './apple-trees.js';

const KEY = 'compat-key-0123456789';
const OTHER = 'another-key-0123456789';

let stack: TestStack;
beforeAll(async () => {
  const keys = [
    { key: KEY, tenant: 'acme', scopes: ['jobs', 'ingest', 'search', 'admin'] },
    { key: OTHER, tenant: 'other', scopes: ['jobs'] },
  ];
  stack = await startTestStack({ apiKey: KEY, environment: { API_KEYS: JSON.stringify(keys) } });
});
afterAll(() => stack.stop());

const openai = (apiKey = KEY): OpenAI => new OpenAI({ apiKey, baseURL: `${stack.url}/v1`, maxRetries: 0 });

interface ResultLine {
  readonly id: string;
  readonly custom_id: string | null;
  readonly response: { readonly status_code: number; readonly request_id: string; readonly body: Record<string, unknown> } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

const line = (id: string, body: object = { query: QUERY, documents: DOCUMENTS }, more: object = {}): object => ({
  custom_id: id,
  method: 'POST',
  url: '/v1/rerank',
  body,
  ...more,
});

async function upload(...lines: readonly (object | string)[]): Promise<string> {
  const text = lines.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))).join('\n');
  const file = await openai().files.create({ file: await toFile(Buffer.from(text), 'input.jsonl'), purpose: 'batch' });
  return file.id;
}

/** The client knows no endpoint of ours, and no window but a day. */
const create = (fileId: string, more: object = {}): Promise<Batch> =>
  openai().batches.create({
    input_file_id: fileId,
    endpoint: '/v1/rerank',
    completion_window: '24h',
    ...more,
  } as unknown as BatchCreateParams);

async function ended(id: string): Promise<Batch> {
  let batch = await openai().batches.retrieve(id);
  await until(
    'the batch to end',
    async () => {
      batch = await openai().batches.retrieve(id);
      return ['completed', 'failed', 'expired', 'cancelled'].includes(batch.status);
    },
    60_000,
  );
  return batch;
}

async function linesOf(fileId: string | undefined): Promise<ResultLine[]> {
  const text = await (await openai().files.content(fileId!)).text();
  return text
    .trimEnd()
    .split('\n')
    .map((each) => JSON.parse(each) as ResultLine);
}

async function failureOf(call: PromiseLike<unknown>): Promise<APIError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof APIError) return error;
    throw error;
  }
  throw new Error('The call should have failed.');
}

describe('a batch of OpenAI’s client', () => {
  it('is uploaded, runs, and gives an output file and an error file', async () => {
    const input = await upload(
      line('first'),
      line('named', { model: 'rerank-v3.5', query: QUERY, documents: DOCUMENTS, top_n: 1, user: 'u', top_k: null }),
      '{"custom_id":"broken"',
      line('elsewhere', {}, { url: '/v1/chat/completions' }),
      line('read', {}, { method: 'GET' }),
      { custom_id: 'bodiless', method: 'POST', url: '/v1/rerank' },
      line('first'),
      line('empty', { query: QUERY, documents: [] }),
      '',
      line('last', { query: QUERY, documents: ['one'] }),
    );
    const created = await create(input, { metadata: { team: 'search' } });
    expect(created).toMatchObject({
      id: expect.stringMatching(/^batch_[0-9a-f]{32}$/) as string,
      object: 'batch',
      endpoint: '/v1/rerank',
      status: 'validating',
      input_file_id: input,
      completion_window: '24h',
      errors: null,
      output_file_id: null,
      error_file_id: null,
      in_progress_at: null,
      completed_at: null,
      metadata: { team: 'search' },
      request_counts: { total: 0, completed: 0, failed: 0 },
    });
    expect(created.expires_at! - created.created_at).toBe(24 * 3_600);

    const batch = await ended(created.id);
    expect(batch).toMatchObject({ status: 'completed', errors: null, request_counts: { total: 9, completed: 3, failed: 6 } });
    expect(batch.completed_at).toBeGreaterThanOrEqual(batch.in_progress_at!);
    expect(batch).toMatchObject({
      failed_at: null,
      expired_at: null,
      cancelling_at: null,
      cancelled_at: null,
      created_at: created.created_at,
    });

    const output = await linesOf(batch.output_file_id);
    expect(output.map(({ custom_id: id }) => id)).toEqual(['first', 'named', 'last']);
    expect(output[0]).toMatchObject({ id: expect.stringMatching(/^batch_req_/) as string, error: null, response: { status_code: 200 } });
    expect((output[0]!.response!.body['results'] as { index: number }[]).map(({ index }) => index)).toEqual(ORDER);
    expect(output[1]!.response!.body).toMatchObject({ model: 'ms-marco-MiniLM-L-12-v2', results: [{ index: ORDER[0] }] });
    expect(new Set(output.map(({ response }) => response!.request_id)).size).toBe(3);

    const errors = await linesOf(batch.error_file_id);
    expect(errors.map(({ custom_id: id }) => id)).toEqual([null, 'elsewhere', 'read', 'bodiless', 'first', 'empty']);
    expect(errors.map(({ response }) => response?.status_code)).toEqual([400, 400, 400, 400, 400, 400]);
    expect(errors.map(({ response }) => (response!.body['error'] as { param: string | null }).param)).toEqual([
      null,
      'url',
      'method',
      'body',
      'custom_id',
      'documents',
    ]);
    expect(errors[4]!.error).toEqual({ code: 'invalid_request', message: expect.stringContaining('that of request 1 too') as string });
  });

  it('gives the answers that /v1/rerank gives', async () => {
    const body = { query: QUERY, documents: DOCUMENTS, deterministic: true };
    const batch = await ended((await create(await upload(line('a', body)))).id);
    const [result] = await linesOf(batch.output_file_id);
    const answer = await stack.client.rerank(body);
    expect(result!.response!.body['results']).toEqual(answer.results);
    expect(Object.keys(result!.response!.body).sort()).toEqual(Object.keys(answer).sort());
  });

  it('searches a corpus', async () => {
    await stack.client.putCorpus('trees', {});
    await stack.client.ingest(
      'trees',
      DOCUMENTS.map((text, at) => ({ id: `d${at}`, text })),
      { wait: true },
    );
    const search = (id: string, body: object): object => line(id, body, { url: '/v1/search' });
    const input = await upload(search('s', { corpus: 'trees', query: QUERY, top_n: 1 }), search('x', { query: QUERY, documents: ['d'] }));
    const batch = await ended((await create(input, { endpoint: '/v1/search' })).id);
    expect(batch.request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
    const [result] = await linesOf(batch.output_file_id);
    expect(result!.response!.body).toMatchObject({ corpus: 'trees', results: [{ document_id: `d${ORDER[0]}` }] });
    expect((await linesOf(batch.error_file_id))[0]!.error!.message).toContain('/body/documents');
  });

  it('is a job too', async () => {
    const batch = await ended((await create(await upload(line('a')), { metadata: { seen: 'twice' } })).id);
    const id = batch.id.replace('batch_', 'job_');
    const response = await fetch(`${stack.url}/v1/jobs/${id}`, { headers: { authorization: `Bearer ${KEY}` } });
    expect(await response.json()).toMatchObject({ id, kind: 'batch', status: 'completed', metadata: { seen: 'twice' } });
  });

  it('fails when no line of its file can be run, and says why', async () => {
    const batch = await ended((await create(await upload('not json', line('a', { query: '', documents: ['d'] })))).id);
    expect(batch).toMatchObject({
      status: 'failed',
      output_file_id: null,
      error_file_id: null,
      in_progress_at: null,
      errors: {
        object: 'list',
        data: [
          { code: 'invalid_request', line: 1, message: expect.stringContaining('not valid JSON') as string, param: null },
          { code: 'invalid_request', line: 2, message: expect.stringContaining('/query') as string, param: 'query' },
        ],
      },
    });
    expect(batch.failed_at).toBeGreaterThanOrEqual(batch.created_at);
    const empty = await ended((await create(await upload(''))).id);
    expect(empty).toMatchObject({ status: 'failed', errors: { data: [{ code: 'empty_file', line: null }] } });
  });

  it('ends its other lines when it is cancelled', async () => {
    const many = Array.from({ length: 600 }, (_, at) => line(`row-${at}`, { query: `${QUERY} ${at}`, documents: DOCUMENTS }));
    const { id } = await create(await upload(...many));
    await until('the batch to begin', async () => (await openai().batches.retrieve(id)).status === 'in_progress', 60_000);
    const cancelling = await openai().batches.cancel(id);
    expect(['cancelling', 'cancelled']).toContain(cancelling.status);
    const batch = await ended(id);
    expect(batch).toMatchObject({ status: 'cancelled', request_counts: { total: 600 } });
    expect(batch.cancelled_at).toBeGreaterThanOrEqual(batch.cancelling_at!);
    const { completed, failed } = batch.request_counts!;
    expect(completed + failed).toBe(600);
    const errors = await linesOf(batch.error_file_id);
    expect(errors).toHaveLength(failed);
    expect(errors.at(-1)).toMatchObject({ custom_id: 'row-599', response: null, error: { code: 'batch_cancelled' } });
    expect((await openai().batches.cancel(id)).status).toBe('cancelled');
  });

  it('ends its other lines when its window closes', async () => {
    const many = Array.from({ length: 3_000 }, (_, at) => line(`row-${at}`, { query: `${QUERY} ${at}`, documents: DOCUMENTS }));
    const { id } = await create(await upload(...many), { completion_window: '2s' });
    const batch = await ended(id);
    expect(batch.status).toBe('expired');
    expect(batch.expired_at).toBeGreaterThanOrEqual(batch.expires_at!);
    expect((await linesOf(batch.error_file_id)).at(-1)).toMatchObject({
      custom_id: 'row-2999',
      response: null,
      error: { code: 'batch_expired' },
    });
  });

  it('is found page by page, newest first', async () => {
    const input = await upload(line('a'));
    const made: string[] = [];
    for (let at = 0; at < 5; at += 1) made.unshift((await create(input)).id);
    const page = await openai().batches.list({ limit: 2 });
    expect(page.data.map(({ id }) => id)).toEqual(made.slice(0, 2));
    const seen: string[] = [];
    for await (const { id } of openai().batches.list({ limit: 2 })) seen.push(id);
    expect(seen.slice(0, 5)).toEqual(made);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('is refused in OpenAI’s form', async () => {
    const input = await upload(line('a'));
    expect(await failureOf(create('file-nowhere'))).toMatchObject({
      status: 404,
      code: 'file_not_found',
      param: 'input_file_id',
      type: 'invalid_request_error',
    });
    expect(await failureOf(create(input, { endpoint: '/v1/embeddings' }))).toMatchObject({ status: 400, param: 'endpoint' });
    expect(await failureOf(create(input, { completion_window: 'a while' }))).toMatchObject({ status: 400, param: 'completion_window' });
    expect(await failureOf(openai('a-wrong-key-0123456789').batches.list())).toMatchObject({ status: 401, code: 'unauthorized' });
  });
});

describe('a file of OpenAI’s client', () => {
  it('comes back as it was sent', async () => {
    const text = `${JSON.stringify(line('é', { query: QUERY, documents: ['ü'] }))}\n`;
    const file = await openai().files.create({
      file: await toFile(Buffer.from(text), 'mine.jsonl'),
      purpose: 'batch',
      expires_after: { anchor: 'created_at', seconds: 7_200 },
    });
    expect(file).toMatchObject({
      object: 'file',
      bytes: Buffer.byteLength(text),
      filename: 'mine.jsonl',
      purpose: 'batch',
      status: 'processed',
    });
    expect(file.expires_at! - file.created_at).toBe(7_200);
    expect(await openai().files.retrieve(file.id)).toEqual(file);
    expect(await (await openai().files.content(file.id)).text()).toBe(text);
  });

  it('is found page by page', async () => {
    const made: string[] = [];
    for (let at = 0; at < 3; at += 1) made.push(await upload(line(`${at}`)));
    const listed = async (order: 'asc' | 'desc'): Promise<string[]> => {
      const ids: string[] = [];
      for await (const { id } of openai().files.list({ limit: 2, order, purpose: 'batch' })) ids.push(id);
      return ids;
    };
    const newest = await listed('desc');
    expect(newest.slice(0, 3)).toEqual(made.toReversed());
    expect(await listed('asc')).toEqual(newest.toReversed());
    expect((await openai().files.list({ purpose: 'fine-tune' })).data).toEqual([]);
  });

  it('is gone when it was deleted; its batch runs on', async () => {
    const input = await upload(line('a'));
    const batch = await ended((await create(input)).id);
    expect(await openai().files.delete(input)).toEqual({ id: input, object: 'file', deleted: true });
    expect(await failureOf(openai().files.retrieve(input))).toMatchObject({ status: 404, code: 'file_not_found' });
    expect(await failureOf(openai().files.content(input))).toMatchObject({ status: 404 });

    const output = batch.output_file_id!;
    const described = await openai().files.retrieve(output);
    const text = await (await openai().files.content(output)).text();
    expect(described).toMatchObject({
      id: output,
      purpose: 'batch_output',
      bytes: Buffer.byteLength(text),
      filename: `${batch.id}_output.jsonl`,
    });
    await openai().files.delete(output);
    expect(await failureOf(openai().files.content(output))).toMatchObject({ status: 404, code: 'file_not_found' });
    expect((await openai().batches.retrieve(batch.id)).output_file_id).toBe(output);
  });

  it('is nobody else’s, nor is a batch', async () => {
    const input = await upload(line('a'));
    const batch = await ended((await create(input)).id);
    const stranger = openai(OTHER);
    for (const id of [input, batch.output_file_id!]) {
      expect(await failureOf(stranger.files.retrieve(id))).toMatchObject({ status: 404, code: 'file_not_found' });
      expect(await failureOf(stranger.files.content(id))).toMatchObject({ status: 404 });
      expect(await failureOf(stranger.files.delete(id))).toMatchObject({ status: 404 });
    }
    expect(await failureOf(stranger.batches.retrieve(batch.id))).toMatchObject({ status: 404, code: 'job_not_found' });
    expect(await failureOf(stranger.batches.cancel(batch.id))).toMatchObject({ status: 404 });
    expect((await stranger.batches.list()).data).toEqual([]);
    expect((await stranger.files.list()).data).toEqual([]);
  });

  it('is refused for another purpose', async () => {
    const file = await toFile(Buffer.from('{}'), 'mine.jsonl');
    const failure = await failureOf(openai().files.create({ file, purpose: 'fine-tune' }));
    expect(failure).toMatchObject({ status: 400, param: 'purpose', code: 'invalid_request' });
  });
});
