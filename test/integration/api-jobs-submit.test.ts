import { gzipSync } from 'node:zlib';
import { batchJobSchema } from '@rerank-fleet/core/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { announce, JobsApi, ndjson, rerank, search, textWith } from './jobs-support.js';
import { RedisServer } from '../support/redis-server.js';

let redis: RedisServer;
let api: JobsApi;

beforeAll(async () => {
  redis = await RedisServer.start();
  api = await JobsApi.start({ redis, env: { MAX_DOCUMENTS: '3', MAX_BODY_BYTES: '4096' } });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

describe('POST /v1/jobs', () => {
  it('accepts JSON, keeps the requests as they came, and hands them to the ledger', async () => {
    const answer = await api.sendJson({ requests: [search('a', { top_k: 20 }), rerank('b')], metadata: { run: '7' }, priority: 10 });
    expect(answer.status).toBe(202);
    expect(batchJobSchema.parse(answer.body)).toMatchObject({
      request_counts: { total: 2, processing: 2, errored: 0 },
      progress: { pairs_done: 0, pairs_total: 22 },
      priority: 10,
      metadata: { run: '7' },
    });
    expect(answer.headers.get('location')).toBe(answer.body.urls.self);
    const record = await api.record(answer);
    expect(await api.requests(record)).toEqual([search('a', { top_k: 20 }), rerank('b')]);
    expect(await api.adapters.batchLedger.state(record.id)).toMatchObject({ job: { slices: 1, total: 2, pairs: 22 }, inFlight: 1 });
  });

  it('lives a day unless it says how long', async () => {
    const lifeOf = async (options: object): Promise<number> => {
      const { body } = await api.sendJson({ ...options, requests: [search('a')] });
      return body.expires_at - body.created_at;
    };
    expect(await lifeOf({})).toBe(86_400);
    expect(await lifeOf({ expires_in_s: 60 })).toBe(60);
  });

  it('accepts NDJSON, whose first line may have the options, with blank lines and other line endings', async () => {
    const body = [
      JSON.stringify({ job: { defaults: { corpus: 'manuals', top_k: 5 } } }),
      '',
      JSON.stringify({ custom_id: 'a', query: 'q' }),
      JSON.stringify(rerank('b')),
      '',
    ];
    const answer = await api.sendLines(body.join('\r\n'));
    expect(answer).toMatchObject({ status: 202, body: { request_counts: { total: 2, errored: 0 }, progress: { pairs_total: 7 } } });
    const record = await api.record(answer);
    expect(record.defaults).toEqual({ corpus: 'manuals', top_k: 5 });
    expect((await api.jobs.rows(record, 0)).map(({ row }) => row)).toEqual([3, 4]);
  });

  it('accepts gzip of both forms', async () => {
    const headers = { 'content-encoding': 'gzip' };
    expect(await api.sendLines(gzipSync(ndjson(search('a'), search('b'))), headers)).toMatchObject({
      status: 202,
      body: { request_counts: { total: 2 } },
    });
    const json = gzipSync(JSON.stringify({ requests: [search('a')] }));
    expect(await api.sendLines(json, { ...headers, 'content-type': 'application/json' })).toMatchObject({
      status: 202,
      body: { request_counts: { total: 1 } },
    });
  });

  it('keeps text of every script, and no byte order mark', async () => {
    const mark = '\uFEFF';
    const answer = await api.sendLines(mark + ndjson(search('ä', { query: 'Äpfel 日本 🍏' }), mark + JSON.stringify(search('b'))));
    expect(await api.requests(await api.record(answer))).toEqual([search('ä', { query: 'Äpfel 日本 🍏' }), search('b')]);
  });

  it('cuts ten thousand requests into slices that lie where the index says', async () => {
    const many = Array.from({ length: 10_000 }, (_, n) => (n % 97 === 0 ? rerank(`r${n}`) : search(`s${n}`, { top_k: 1 + (n % 7) })));
    const answer = await api.sendLines(ndjson(...many));
    const record = await api.record(answer);
    expect(record).toMatchObject({ total: 10_000, rejected: 0 });
    expect(record.slices).toBeGreaterThan(39);
    expect(await api.requests(record)).toEqual(many);
  });
});

describe('a bad request', () => {
  const good = search('good');
  const cases: [string, string | object, object][] = [
    ['no JSON', '{"custom_id":"x","query":', { code: 'invalid_request', message: textWith('it ends too early') }],
    ['no object', '[1]', { code: 'invalid_request', message: 'The request must be an object.' }],
    ['no id', { query: 'q', corpus: 'manuals' }, { code: 'invalid_request', errors: [{ pointer: '/custom_id', detail: 'is required' }] }],
    ['an unknown field', search('x', { topk: 3 }), { errors: [{ pointer: '/topk', detail: 'is not a known field' }] }],
    ['an unknown field of a rerank', rerank('x', { topn: 3 }), { errors: [{ pointer: '/topn', detail: 'is not a known field' }] }],
    ['a life of its own', search('x', { timeout_ms: 5 }), { errors: [{ pointer: '/timeout_ms', detail: textWith('expires_in_s') }] }],
    ['an incoherent search', search('x', { top_k: 3, top_n: 4 }), { errors: [{ pointer: '/top_n', detail: 'must not be above top_k' }] }],
    ['too deep a search', search('x', { top_k: 5_000 }), { code: 'too_many_candidates' }],
    ['no such corpus', search('x', { corpus: 'nowhere' }), { code: 'corpus_not_found' }],
    ['a corpus whose deletion has begun', search('x', { corpus: 'going' }), { code: 'corpus_not_found' }],
    [
      'no such model',
      search('x', { model: 'nobody' }),
      { code: 'model_not_found', errors: [{ pointer: '/model', detail: 'is not a served reranker' }] },
    ],
    ['too many documents', rerank('x', { documents: ['1', '2', '3', '4'] }), { code: 'too_many_documents' }],
    ['too long', search('x', { query: 'long '.repeat(1_000) }), { code: 'payload_too_large' }],
    ['an id that is taken', good, { errors: [{ pointer: '/custom_id', detail: 'is that of request 1 too; ids are unique in a job' }] }],
    ['options in another line', { job: {} }, { code: 'invalid_request' }],
  ];

  it.each(cases)('with %s becomes an errored result with its line', async (_what, bad, error) => {
    const answer = await api.sendLines(ndjson(good, bad, search('last')));
    expect(answer).toMatchObject({ status: 202, body: { request_counts: { total: 3, processing: 2, errored: 1 } } });
    const record = await api.record(answer);
    expect(await api.rejections(record)).toMatchObject([{ row: 2, status: 'errored', error }]);
    expect((await api.requests(record)).map((request) => request['custom_id'])).toEqual(['good', 'last']);
  });

  it('that is no UTF-8 is one bad line', async () => {
    const broken = Buffer.concat([
      Buffer.from(`${JSON.stringify(good)}\n{"custom_id":"x","query":"`),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('","corpus":"manuals"}\n'),
    ]);
    const record = await api.record(await api.sendLines(new Uint8Array(broken)));
    expect(await api.rejections(record)).toMatchObject([{ row: 2, error: { message: 'The text is not valid UTF-8.' } }]);
  });

  it('keeps its id, so that its sender finds it again', async () => {
    const record = await api.record(await api.sendJson({ requests: [good, search('mine', { topk: 3 })] }));
    expect(await api.rejections(record)).toMatchObject([{ row: 2, custom_id: 'mine' }]);
  });

  it('is one that another pool would have to run', async () => {
    const sha256 = 'f'.repeat(64);
    const models = [{ name: 'elsewhere', kind: 'cross-encoder', sha256, maxLength: 512, precision: 'int8' }] as const;
    await announce(redis, { worker_id: 'w2', pool: 'gpu', models: [...models] });
    await expect.poll(async () => (await api.sendLines(ndjson(rerank('a', { model: 'elsewhere' })))).status).toBe(202);
    const record = await api.record(await api.sendLines(ndjson(rerank('a'), rerank('b', { model: 'elsewhere' }), rerank('c'))));
    expect(record).toMatchObject({ pool: 'default', total: 3, rejected: 1 });
    expect(await api.rejections(record)).toMatchObject([{ custom_id: 'b', error: { message: textWith('The pool "gpu"') } }]);
  });
});

describe('a job that is refused', () => {
  const expectRefused = async (body: string | object, expected: object): Promise<void> => {
    const kept = await api.kept();
    const answer = typeof body === 'string' ? await api.sendLines(body) : await api.sendJson(body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request', ...expected } });
    expect(await api.kept()).toEqual(kept);
  };

  it('is one without a good request', async () => {
    const bad = ndjson('{', search('a', { topk: 1 }));
    await expectRefused(bad, {
      detail: textWith('No request can be run. The first fault is in line 1: '),
      errors: [{}, { pointer: '', detail: textWith('line 2: ') }],
    });
    await expectRefused(
      { requests: [search('a', { topk: 1 })] },
      { errors: [{ pointer: '/requests/0/topk', detail: 'is not a known field' }] },
    );
  });

  it('is a strict one with a bad request', async () => {
    const rows = [search('a'), search('a'), search('b', { topk: 1 })];
    await expectRefused(
      { strict: true, requests: rows },
      { detail: textWith('strict'), errors: [{ pointer: '/requests/1/custom_id' }, { pointer: '/requests/2/topk' }] },
    );
    await expectRefused(ndjson({ job: { strict: true } }, ...rows), {
      errors: [{ detail: textWith('line 3: ') }, { detail: textWith('line 4: ') }],
    });
    expect((await api.sendJson({ strict: true, requests: [search('a')] })).status).toBe(202);
  });

  it.each([
    ['', 'holds no requests'],
    ['\n \r\n', 'holds no requests'],
    [ndjson({ job: {} }), 'holds no requests'],
  ])('is %j', async (body, detail) => {
    await expectRefused(body, { detail: textWith(detail) });
  });

  it.each([
    [{}, 'requests', 'is required'],
    [{ requests: [] }, 'requests', 'must hold at least one request'],
    [{ requests: Array(1_001).fill(1) }, 'requests', textWith('application/x-ndjson')],
    [{ requests: [search('a')], prio: 1 }, 'prio', 'is not a known field'],
    [{ requests: [search('a')], priority: 101 }, 'priority', textWith('100')],
    [{ requests: [search('a')], defaults: { topk: 1 } }, 'defaults/topk', 'is no field of a search or a rerank'],
    [{ requests: [search('a')], defaults: { custom_id: 'a' } }, 'defaults/custom_id', 'must be each request’s own'],
  ])('is one with the options %o', async (body, pointer, detail) => {
    await expectRefused(body, { errors: [{ pointer: `/${pointer}`, detail }] });
    if ('requests' in body && !('prio' in body) && !('priority' in body) && !('defaults' in body)) return;
    const { requests: _, ...options } = body as { requests?: unknown };
    if (Object.keys(options).length > 0)
      await expectRefused(ndjson({ job: options }, search('a')), { errors: [{ pointer: `/job/${pointer}`, detail }] });
  });

  it('is one whose webhook would go inside', async () => {
    const webhook = { url: 'http://169.254.169.254/latest', secret: 'a secret of mine' };
    await expectRefused({ requests: [search('a')], webhook }, { errors: [{ pointer: '/webhook/url' }] });
    await expectRefused(ndjson({ job: { webhook } }, search('a')), { errors: [{ pointer: '/job/webhook/url' }] });
  });
});

describe('the secret of a webhook', () => {
  it('comes back in no answer and in no line of the log', async () => {
    const answer = await api.sendJson({
      requests: [search('a')],
      webhook: { url: 'https://example.com/hook', secret: 'a secret of mine' },
    });
    expect(answer.body.webhook).toEqual({ url: 'https://example.com/hook' });
    const bad = await api.sendJson({
      requests: [search('a')],
      webhook: { url: 'https://example.com', secret: 'a secret of mine', more: 1 },
    });
    expect(bad.status).toBe(400);
    expect(JSON.stringify([answer.body, bad.body, api.log])).not.toContain('a secret of mine');
    expect((await api.record(answer)).webhook?.secret).toBe('a secret of mine');
  });
});
