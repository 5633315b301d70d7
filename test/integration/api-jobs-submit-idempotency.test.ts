import { gzipSync } from 'node:zlib';
import { IdempotencyKeys } from '@rerank-fleet/core/jobs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { JobsApi, ndjson, openUpload, answerOf, rerank, search, type JobsAnswer } from './jobs-support.js';

const KEYS = ['acme', 'other'].map((tenant) => ({ key: `a-long-key-of-${tenant}`, tenant, scopes: ['jobs'] }));
const ROWS = ndjson(search('a'), rerank('b'));

let redis: RedisServer;
let api: JobsApi;
let keys = 0;

beforeAll(async () => {
  redis = await RedisServer.start();
  api = await JobsApi.start({ redis, env: { API_KEYS: JSON.stringify(KEYS) } });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

const as = (tenant: string, key?: string) => ({
  authorization: `Bearer a-long-key-of-${tenant}`,
  ...(key === undefined ? {} : { 'idempotency-key': key }),
});
const newKey = (): string => `key ${(keys += 1)}`;
const uploads = (): Promise<string[]> => api.keysUnder('uploads');
const replayed = ({ headers }: JobsAnswer): string | null => headers.get('idempotent-replayed');

describe('an Idempotency-Key', () => {
  it('answers the same job to the same body, compressed or not, and keeps its rows once', async () => {
    const key = newKey();
    const first = await api.sendLines(ROWS, as('acme', key));
    expect(replayed(first)).toBeNull();
    const kept = await uploads();
    const again = await api.sendLines(ROWS, as('acme', key));
    const packed = await api.sendLines(gzipSync(ROWS), { ...as('acme', key), 'content-encoding': 'gzip' });
    expect([again, packed].map((answer) => [answer.status, answer.body.id, replayed(answer)])).toEqual(
      Array(2).fill([202, first.body.id, 'true']),
    );
    expect(await uploads()).toEqual(kept);
    expect(await api.sendLines(ROWS, as('acme'))).not.toMatchObject({ body: { id: first.body.id } });
  });

  it('holds for JSON, whatever its spaces', async () => {
    const key = newKey();
    const first = await api.sendJson({ requests: [search('a')] }, as('acme', key));
    const again = await api.sendJson({ requests: [search('a')] }, as('acme', key));
    expect(again.body.id).toBe(first.body.id);
  });

  it('is a conflict with another body, which leaves nothing', async () => {
    const key = newKey();
    await api.sendLines(ROWS, as('acme', key));
    const kept = await api.kept();
    for (const body of [ROWS.replace('"b"', '"c"'), ndjson({ job: { priority: 1 } }, ROWS), '{', ROWS.slice(0, -1)]) {
      expect(await api.sendLines(body, as('acme', key))).toMatchObject({ status: 409, body: { code: 'idempotency_conflict' } });
    }
    expect(await api.sendJson({ requests: [search('a'), rerank('b')] }, as('acme', key))).toMatchObject({ status: 409 });
    expect(await api.kept()).toEqual(kept);
  });

  it('of another tenant is another key', async () => {
    const key = newKey();
    const first = await api.sendLines(ROWS, as('acme', key));
    const others = await api.sendLines(ROWS, as('other', key));
    expect([others.status, replayed(others)]).toEqual([202, null]);
    expect(others.body.id).not.toBe(first.body.id);
  });

  it('makes one job of calls at the same time', async () => {
    const key = newKey();
    const before = await uploads();
    const answers = await Promise.all(Array.from({ length: 6 }, () => api.sendLines(ROWS, as('acme', key))));
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(202));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.filter((answer) => replayed(answer) === null)).toHaveLength(1);
    const record = await api.record(answers[0]!, 'acme');
    expect(await api.requests(record)).toEqual([search('a'), rerank('b')]);
    expect((await uploads()).filter((blob) => !before.includes(blob)).every((blob) => blob.startsWith(`${record.upload}/`))).toBe(true);
  });

  it('outlives Redis', async () => {
    const key = newKey();
    const first = await api.sendLines(ROWS, as('acme', key));
    await redis.kill();
    try {
      expect((await api.sendLines(ROWS, as('acme', key))).body.id).toBe(first.body.id);
    } finally {
      await redis.resume();
      // A new job needs it, and is refused until the connection is there again.
      const isBack = () =>
        api.adapters.jobRoom.held('acme').then(
          () => true,
          () => false,
        );
      await expect.poll(isBack, { timeout: 30_000 }).toBe(true);
    }
  });

  it('is answered though the rows would be refused by now', async () => {
    const key = newKey();
    const first = await api.sendLines(ROWS, as('acme', key));
    const strict = await JobsApi.start({ redis, directory: api.directory, env: { API_KEYS: JSON.stringify(KEYS), MAX_DOCUMENTS: '1' } });
    expect((await strict.sendLines(ROWS, as('acme', key))).body.id).toBe(first.body.id);
    await strict.close();
  });

  it('whose call died before its job was written gets the job from the next call', async () => {
    const key = newKey();
    const dead = api.jobs.begin('acme');
    await dead.abandon();
    const whole = await api.sendLines(ROWS, as('acme', newKey()));
    const claim = await claimOf(whole);
    await new IdempotencyKeys(api.blobs).claim('acme', key, { job: dead.id, body_sha256: claim });
    expect(await api.sendLines(`${ROWS}\n`, as('acme', key))).toMatchObject({ status: 409 });
    const again = await api.sendLines(ROWS, as('acme', key));
    expect(again).toMatchObject({ status: 202, body: { id: dead.id, request_counts: { total: 2 } } });
    expect(await api.requests(await api.record(again, 'acme'))).toEqual([search('a'), rerank('b')]);
    expect((await api.sendLines(ROWS, as('acme', key))).body.id).toBe(dead.id);
  });

  it('whose client left before the answer gets the job from the next call', async () => {
    const key = newKey();
    const sent = openUpload(api.url, as('acme', key));
    sent.end(ROWS);
    await expect.poll(async () => await new IdempotencyKeys(api.blobs).find('acme', key), { timeout: 15_000, interval: 1 }).toBeDefined();
    sent.destroy();
    const again = await api.sendLines(ROWS, as('acme', key));
    expect(again.status).toBe(202);
    expect((await api.sendLines(ROWS, as('acme', key))).body.id).toBe(again.body.id);
  });

  it('goes with its job', async () => {
    const key = newKey();
    const first = await api.sendLines(ROWS, as('acme', key));
    await api.jobs.remove(await api.record(first, 'acme'));
    expect(await new IdempotencyKeys(api.blobs).find('acme', key)).toBeUndefined();
  });

  it.each([
    ['empty', ''],
    ['too long', 'x'.repeat(256)],
  ])('is refused where it is %s', async (_what, key) => {
    expect(await api.sendLines(ROWS, as('acme', key))).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });

  it('stands for nothing while the body is not whole', async () => {
    const key = newKey();
    const sent = openUpload(api.url, as('acme', key));
    sent.write(`${JSON.stringify(search('a'))}\n{"custom_id":`);
    const other = await api.sendLines(ROWS, as('acme', key));
    expect(other.status).toBe(202);
    expect(await answerOf(sent.end('"late"}'))).toMatchObject({ status: 409, body: { code: 'idempotency_conflict' } });
  });
});

/** SHA-256 of the body that made the job. */
async function claimOf({ body }: JobsAnswer): Promise<string> {
  for await (const key of api.blobs.list('idempotency/acme')) {
    const claim = JSON.parse((await api.blobs.get(key))?.toString() ?? '{}') as { job: string; body_sha256: string };
    if (claim.job === body.id) return claim.body_sha256;
  }
  throw new Error('the job has no key');
}
