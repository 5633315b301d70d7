import { batchJobSchema, jobEstimateSchema, type StoredResultLine } from '@rerank-fleet/core/contracts';
import { finalCounts, type BatchDone, type BatchRecord } from '@rerank-fleet/core/jobs';
import { estimateRow, readJobRow } from '@rerank-fleet/core/requests';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { announce, JobsApi, ndjson, rerank, search, type JobsAnswer, textWith } from './jobs-support.js';

const KEYS = [
  { key: 'a-long-key-of-acme', tenant: 'acme', scopes: ['jobs'] },
  { key: 'a-long-key-of-other', tenant: 'other', scopes: ['jobs'] },
  { key: 'a-key-to-search-with', tenant: 'acme', scopes: ['search'] },
];
const acme = { authorization: 'Bearer a-long-key-of-acme' };
const other = { authorization: 'Bearer a-long-key-of-other' };

let redis: RedisServer;
let api: JobsApi;

beforeAll(async () => {
  redis = await RedisServer.start();
  api = await JobsApi.start({ redis, env: { API_KEYS: JSON.stringify(KEYS) } });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

const post = (path: string, headers: Readonly<Record<string, string>> = acme): Promise<JobsAnswer> => api.post(path, headers);
const many = (count: number): object[] => Array.from({ length: count }, (_, n) => search(`row-${n}`, { top_k: 1 }));

/** Ends a job as workers would: rows in `errored` failed; slices in `undone` never ran. */
async function end(
  record: BatchRecord,
  { errored = [], undone = [], rest }: { errored?: number[]; undone?: number[]; rest?: BatchDone['rest'] },
): Promise<void> {
  const bits = Buffer.alloc(Math.ceil(record.slices / 8));
  const counts = { succeeded: 0, errored: 0, cancelled: 0, expired: 0 };
  for (let slice = 0; slice < record.slices; slice += 1) {
    if (undone.includes(slice)) continue;
    bits[slice >> 3]! |= 0x80 >> (slice & 7);
    const lines = (await api.jobs.rows(record, slice)).map(({ row }): StoredResultLine =>
      errored.includes(row) ? { row, status: 'errored', error: { code: 'pair_too_long', message: 'no' } } : { row, status: 'succeeded' },
    );
    const failed = lines.filter(({ status }) => status === 'errored').length;
    counts.errored += failed;
    counts.succeeded += lines.length - failed;
    await api.jobs.writeResults(record, { v: 1, slice, ...counts, succeeded: lines.length - failed, errored: failed, pairs: 0 }, lines);
  }
  await api.jobs.end(record, {
    status: rest === 'errored' ? 'failed' : 'completed',
    request_counts: finalCounts(record, counts, rest),
    pairs_done: 0,
    ended_ms: Date.now(),
    done_slices: bits.toString('base64'),
    ...(rest === undefined ? {} : { rest }),
  });
  await api.adapters.batchLedger.forget(record.id);
}

async function ended(rows: readonly (object | string)[], how: Parameters<typeof end>[1]): Promise<BatchRecord> {
  const record = await api.record(await api.sendLines(ndjson(...rows), acme), 'acme');
  await end(record, how);
  return record;
}

describe('POST /v1/jobs/{id}/retry', () => {
  it('makes a new job of the errored requests, with the options of the old one', async () => {
    const options = {
      defaults: { top_n: 1 },
      priority: 7,
      expires_in_s: 900,
      metadata: { run: '7' },
      webhook: { url: 'https://example.com/', secret: 'a secret of mine' },
    };
    const old = await ended([{ job: options }, '{', ...many(600)], { errored: [5, 300, 599] });
    const answer = await post(`/v1/jobs/${old.id}/retry`);
    expect(answer.status).toBe(202);
    expect(batchJobSchema.parse(answer.body)).toMatchObject({
      retry_of: old.id,
      priority: 7,
      metadata: { run: '7' },
      request_counts: { total: 3, errored: 0 },
    });
    expect(answer.headers.get('location')).toBe(answer.body.urls.self);
    const record = await api.record(answer, 'acme');
    expect(record).toMatchObject({ defaults: { top_n: 1 }, webhook: options.webhook, pairs: 3 });
    expect(record.expires_ms - record.created_ms).toBe(900_000);
    expect((await api.requests(record)).map((request) => request['custom_id'])).toEqual(['row-2', 'row-297', 'row-596']);
    expect((await api.jobs.rows(record, 0)).map(({ row }) => row)).toEqual([1, 2, 3]);
    expect(await api.jobs.done(old)).toMatchObject({ status: 'completed' });
  });

  it('takes the requests that a failed job never came to', async () => {
    const old = await ended(many(600), { errored: [1], undone: [1], rest: 'errored' });
    const record = await api.record(await post(`/v1/jobs/${old.id}/retry`), 'acme');
    expect(record).toMatchObject({ total: 1 + 256, retry_of: old.id });
    expect((await api.requests(record))[1]).toEqual(many(600)[256]);
  });

  it('with an Idempotency-Key makes one job', async () => {
    const old = await ended(many(2), { errored: [2] });
    const headers = { ...acme, 'idempotency-key': 'retry once' };
    const first = await post(`/v1/jobs/${old.id}/retry`, headers);
    expect((await post(`/v1/jobs/${old.id}/retry`, headers)).body.id).toBe(first.body.id);
    expect(await api.sendLines(ndjson(...many(2)), headers)).toMatchObject({ status: 409, body: { code: 'idempotency_conflict' } });
  });

  it('is refused while the job runs, and where nothing can be run again', async () => {
    const running = await api.sendLines(ndjson(...many(2)), acme);
    const whole = await ended(many(2), {});
    const bad = await ended(['{', ...many(2)], {});
    for (const [id, detail] of [
      [running.body.id, 'has not ended'],
      [whole.id, 'No request of the job is errored'],
      [bad.id, 'The 1 errored requests were refused when the job was submitted'],
    ] as const) {
      expect(await post(`/v1/jobs/${id}/retry`)).toMatchObject({
        status: 409,
        body: { code: 'job_not_retryable', detail: textWith(detail) },
      });
    }
  });
});

describe('POST /v1/jobs/{id}/cancel', () => {
  it('ends a job of which nothing runs at once or soon, for good', async () => {
    const { body } = await api.sendLines(ndjson(...many(2_000)), acme);
    const answer = await post(`/v1/jobs/${body.id}/cancel`);
    expect(answer).toMatchObject({ status: 200, body: { id: body.id, status: textWith('cancell') } });
    const record = await api.record(answer, 'acme');
    expect(await api.jobs.isCancelled(record)).toBe(true);
    expect(await post(`/v1/jobs/${body.id}/cancel`)).toMatchObject({ status: 200 });
  });

  it('changes nothing of a job that has ended', async () => {
    const record = await ended(many(2), { errored: [1] });
    expect(await post(`/v1/jobs/${record.id}/cancel`)).toMatchObject({
      status: 200,
      body: { status: 'completed', request_counts: { succeeded: 1, errored: 1, cancelled: 0 } },
    });
    expect(await api.jobs.isCancelled(record)).toBe(false);
  });
});

describe('a job of another tenant', () => {
  it.each(['retry', 'cancel'])('is not there for %s', async (action) => {
    const { body } = await api.sendLines(ndjson(...many(1)), acme);
    expect(await post(`/v1/jobs/${body.id}/${action}`, other)).toMatchObject({ status: 404, body: { code: 'job_not_found' } });
    expect(await post(`/v1/jobs/job_${'0'.repeat(32)}/${action}`)).toMatchObject({ status: 404, body: { code: 'job_not_found' } });
    expect(await post(`/v1/jobs/${body.id}/${action}`, { authorization: 'Bearer a-key-to-search-with' })).toMatchObject({ status: 403 });
  });
});

describe('a job that another process removed', () => {
  it('is not there to be cancelled, and nothing is written of it', async () => {
    const { id } = (await api.sendLines(ndjson(search('a')), acme)).body;
    const path = `/v1/jobs/${id}`;
    const before = await api.kept();
    expect((await post(`${path}/cancel`)).status).toBe(200);
    const two = await JobsApi.start({ redis, directory: api.directory, env: { API_KEYS: JSON.stringify(KEYS) } });
    expect((await fetch(two.url + path, { method: 'DELETE', headers: acme })).status).toBe(204);
    await two.close();
    expect((await post(`${path}/cancel`)).status).toBe(404);
    expect((await api.kept()).filter((key) => key.includes(id))).toEqual([]);
    expect((await api.kept()).length).toBeLessThan(before.length);
  });
});

describe('POST /v1/jobs/estimate', () => {
  const estimate = async (body: string) => {
    const answer = await api.sendLines(body, acme, '/v1/jobs/estimate');
    expect(answer.status).toBe(200);
    return jobEstimateSchema.parse(answer.body);
  };

  it('counts what a job would be, and names bad requests; nothing is written', async () => {
    const kept = await api.kept();
    const rows = [search('a', { top_k: 30 }), rerank('b'), '{', search('c', { corpus: 'nowhere' })];
    const found = await estimate(ndjson(...rows));
    expect(found).toMatchObject({
      requests: 4,
      rejected: 2,
      pairs: 32,
      errors: [
        { row: 3, code: 'invalid_request' },
        { row: 4, code: 'corpus_not_found' },
      ],
    });
    const corpus = { chunking: { mode: 'sentences', maxTokens: 256, overlapTokens: 32 } } as const;
    const tokens = [rows[0], rows[1]].map((row) => {
      const read = readJobRow(row as Record<string, unknown>);
      return read.ok ? estimateRow(read.row, JSON.stringify(row).length, corpus).tokens : Number.NaN;
    });
    expect(found.tokens).toBe(tokens[0]! + tokens[1]!);
    expect(await api.kept()).toEqual(kept);
  });

  it('of bad requests alone is an answer too; of none it is a fault', async () => {
    expect(await estimate('{\n[]')).toMatchObject({ requests: 2, rejected: 2, pairs: 0, errors: [{ row: 1 }, { row: 2 }] });
    expect(await api.sendLines('', acme, '/v1/jobs/estimate')).toMatchObject({ status: 400 });
    expect(await api.sendJson({ requests: [search('a')] }, acme, '/v1/jobs/estimate')).toMatchObject({ status: 200 });
  });

  it('tells seconds by how fast live workers are, and none where they cannot tell', async () => {
    const rows = ndjson(...many(100));
    expect(await estimate(rows)).not.toHaveProperty('seconds');
    const stats = { pairs_scored: 0, batches: 0, padding_waste: 0, pairs_per_s: 20 };
    for (const worker_id of ['w1', 'w2']) await announce(redis, { worker_id, stats });
    await expect.poll(async () => (await estimate(rows)).seconds).toBe(2.5);
    await announce(redis, { worker_id: 'w2', stats: { ...stats, tokens_per_s: 100 } });
    await expect.poll(async () => (await estimate(rows)).seconds).toBe(Math.ceil((await estimate(rows)).tokens / 10) / 10);
  });
});
