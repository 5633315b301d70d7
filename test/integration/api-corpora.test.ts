import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { corpusSchema, documentListSchema, ingestJobSchema } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announcement, corpusRecord } from '../support/fleet-fixtures.js';
import { startTestApi, type TestApi } from './api-support.js';

let api: TestApi;
beforeEach(async () => {
  api = await startTestApi({ SYNC_TIMEOUT_MS: '1000', MAX_BODY_BYTES: '100000', MAX_INGEST_BYTES: '2000000' });
  await api.fleet.documents.createCorpus(corpusRecord({ tenant: 'default', corpus: 'manuals' }));
});
afterEach(() => api.close());

const DOCUMENTS = '/v1/corpora/manuals/documents';
const NDJSON = { 'content-type': 'application/x-ndjson' };
const ndjson = (payload: string | Buffer, url = `${DOCUMENTS}?wait=true`, headers: Record<string, string> = NDJSON) =>
  api.inject({ method: 'POST', url, payload, headers });
const stored = () => [...api.fleet.documents.documents.get('default/manuals')!.values()];

describe('/v1/corpora/{name}', () => {
  it('makes a corpus, then changes it, and reads it back', async () => {
    const made = await api.inject({ method: 'PUT', url: '/v1/corpora/fresh', payload: { chunking: { mode: 'none' } } });
    expect(made.statusCode).toBe(201);
    expect(made.json()).toEqual(corpusSchema.parse(made.json()));
    expect(made.json()).toMatchObject({ name: 'fresh', version: 1, documents: 0, passages: 0 });
    expect(api.fleet.calls[0]).toMatchObject({
      queue: 'sync',
      tenant: 'default',
      body: { kind: 'corpus', corpus: 'fresh', change: { op: 'put', settings: { chunking: { mode: 'none', max_tokens: 256 } } } },
    });
    expect((await api.inject({ method: 'PUT', url: '/v1/corpora/fresh' })).statusCode).toBe(200);
    expect((await api.inject({ url: '/v1/corpora/fresh' })).json()).toMatchObject({ name: 'fresh' });
    const { data } = (await api.inject({ url: '/v1/corpora' })).json();
    expect(data.map((corpus: { name: string }) => corpus.name)).toEqual(['fresh', 'manuals']);
  });

  it('deletes a corpus through a worker', async () => {
    expect((await api.inject({ method: 'DELETE', url: '/v1/corpora/manuals' })).statusCode).toBe(204);
    expect((await api.inject({ url: '/v1/corpora/manuals' })).json().code).toBe('corpus_not_found');
    expect((await api.inject({ method: 'DELETE', url: '/v1/corpora/manuals' })).statusCode).toBe(404);
  });

  it('shows a corpus that has no index yet, as its maker died, and none whose deletion has begun', async () => {
    const half = corpusRecord({ tenant: 'default', corpus: 'half' });
    await api.fleet.documents.createCorpus(half);
    await api.fleet.documents.createCorpus({ ...corpusRecord({ tenant: 'default', corpus: 'going' }), deleting: true });
    api.fleet.countPassages = (version) =>
      version.corpus === 'half' ? Promise.reject(new RerankError('corpus_not_found', 'Not made.')) : Promise.resolve(7);
    const { data } = (await api.inject({ url: '/v1/corpora' })).json();
    expect(data).toMatchObject([
      { name: 'half', passages: 0 },
      { name: 'manuals', passages: 7 },
    ]);
    expect((await api.inject({ url: '/v1/corpora/going' })).statusCode).toBe(404);
    expect(
      (await api.inject({ method: 'POST', url: '/v1/corpora/going/documents', payload: { documents: [{ text: 'x' }] } })).statusCode,
    ).toBe(404);
    const search = { corpus: 'going', query: 'x' };
    expect((await api.inject({ method: 'POST', url: '/v1/search', payload: search })).json().code).toBe('corpus_not_found');
    api.fleet.countPassages = () => Promise.reject(new RerankError('candidate_store_unavailable', 'Away.'));
    expect((await api.inject({ url: '/v1/corpora' })).statusCode).toBe(503);
  });

  it.each(['Upper', 'with%20space', '-dash', 'a'.repeat(64), '%00'])(
    'refuses the name %s on PUT and knows none of it on GET',
    async (name) => {
      expect((await api.inject({ method: 'PUT', url: `/v1/corpora/${name}` })).json()).toMatchObject({
        code: 'invalid_request',
        detail: expect.stringMatching(/^The name in the path: /) as string,
      });
      expect((await api.inject({ url: `/v1/corpora/${name}` })).json().code).toBe('corpus_not_found');
    },
  );

  it('passes on that a change needs a reindex', async () => {
    api.fleet.answer = () => {
      throw new RerankError('reindex_required', 'A change of chunking needs a new index.');
    };
    const response = await api.inject({ method: 'PUT', url: '/v1/corpora/manuals', payload: {} });
    expect(response.statusCode).toBe(409);
    expect(response.json()).toMatchObject({ code: 'reindex_required', detail: 'A change of chunking needs a new index.' });
  });

  it('has settings checked by a worker with the embedder: that which is named, or that of the corpus', async () => {
    const other = announcement({ worker_id: 'worker-2', pool: 'gpu' });
    api.fleet.workers.push({ ...other, models: other.models.map((model) => ({ ...model, name: `other-${model.kind}` })) });
    const put = (name: string, payload: object) => api.inject({ method: 'PUT', url: `/v1/corpora/${name}`, payload });
    await put('fresh', { embedding_model: 'other-embedder' });
    await put('manuals', {});
    await put('third', {});
    expect(api.fleet.calls.map(({ pool }) => pool)).toEqual(['gpu', 'default', 'default']);
    const unknown = await put('fourth', { embedding_model: 'nothing' });
    expect(unknown.statusCode).toBe(404);
    expect(unknown.json()).toMatchObject({ code: 'model_not_found', errors: [{ pointer: '/embedding_model' }] });
  });
});

describe('a corpus that is searched elsewhere', () => {
  beforeEach(async () => {
    const record = corpusRecord({ tenant: 'default', corpus: 'elsewhere' });
    const source = { connection: 'search-cluster', options: { index: 'docs' } };
    await api.fleet.documents.createCorpus({ ...record, settings: { ...record.settings, source } });
  });

  it('is described by its source, without counts', async () => {
    api.fleet.documents.countDocuments = () => Promise.reject(new Error('nothing is counted'));
    const body = (await api.inject({ url: '/v1/corpora/elsewhere' })).json();
    expect(body).toMatchObject({
      documents: 0,
      passages: 0,
      settings: { source: { connection: 'search-cluster', options: { index: 'docs' } } },
    });
  });

  it.each([
    ['GET', '', undefined],
    ['POST', '', { documents: [{ text: 'one' }] }],
    ['POST', '/delete', { ids: ['a'] }],
    ['GET', '/a', undefined],
    ['DELETE', '/a', undefined],
  ] as const)('refuses %s documents%s, and says where they are', async (method, path, payload) => {
    const response = await api.inject({
      method,
      url: `/v1/corpora/elsewhere/documents${path}`,
      ...(payload === undefined ? {} : { payload }),
    });
    expect(response.statusCode).toBe(400);
    expect(response.json().detail).toContain('kept elsewhere (connection "search-cluster")');
    expect(api.fleet.calls).toEqual([]);
    expect(api.fleet.blobs.blobs.size).toBe(0);
  });
});

describe('POST /v1/corpora/{name}/documents', () => {
  it('takes JSON, and answers 202 at once', async () => {
    api.fleet.ingestsAtOnce = false;
    const response = await api.inject({
      method: 'POST',
      url: DOCUMENTS,
      payload: { documents: [{ text: 'one' }, { id: 'x', text: 'two', title: 't', metadata: { n: [1, null] } }] },
    });
    expect(response.statusCode).toBe(202);
    const job = ingestJobSchema.parse(response.json());
    expect(job).toMatchObject({
      status: 'queued',
      corpus: 'manuals',
      request_counts: { total: 2, processing: 2, succeeded: 0, errored: 0 },
    });
    expect(response.headers.location).toBe(job.urls.self);
    await api.fleet.ingest('default', job.id, 0);
    expect((await api.inject({ url: job.urls.self })).json()).toMatchObject({
      id: job.id,
      status: 'completed',
      request_counts: { succeeded: 2 },
    });
    expect(stored()).toEqual([
      { id: expect.stringMatching(/^[0-9a-f]{32}$/) as string, text: 'one', seq: 1 },
      { id: 'x', text: 'two', title: 't', metadata: { n: [1, null] }, seq: 1 },
    ]);
  });

  it('answers 200 with the job, done, for wait=true', async () => {
    const response = await api.inject({ method: 'POST', url: `${DOCUMENTS}?wait=true`, payload: { documents: [{ text: 'one' }] } });
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject({ status: 'completed', completed_at: expect.any(Number) as number });
  });

  it('answers 202 with the job as it stands when the time is over', async () => {
    api.fleet.ingestsAtOnce = false;
    const response = await api.inject({ method: 'POST', url: `${DOCUMENTS}?wait=true`, payload: { documents: [{ text: 'one' }] } });
    expect(response.statusCode).toBe(202);
    expect(response.json().status).toBe('queued');
  });

  it('refuses a JSON body as a whole', async () => {
    const response = await api.inject({ method: 'POST', url: DOCUMENTS, payload: { documents: [{ text: 'fine' }, { text: '' }] } });
    expect(response.statusCode).toBe(400);
    expect(response.json().errors).toEqual([{ pointer: '/documents/1/text', detail: 'must not be empty' }]);
    expect(api.fleet.blobs.blobs.size).toBe(0);
  });

  it('takes NDJSON row by row; bad rows are rejected rows of the job', async () => {
    const response = await ndjson('{"id":"a","text":"one"}\n{"id":"bad"}\nnot json\n\n{"id":"b","text":"two"}');
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject({
      status: 'completed',
      request_counts: { total: 4, processing: 0, succeeded: 2, errored: 2 },
      errors: [
        { line: 2, document_id: 'bad', code: 'invalid_request' },
        { line: 3, code: 'invalid_request' },
      ],
    });
    expect(stored().map((document) => document.id)).toEqual(['a', 'b']);
  });

  it.each(['application/ndjson', 'application/jsonl', 'application/x-ndjson; charset=utf-8'])('knows NDJSON as %s', async (type) => {
    expect((await ndjson('{"text":"one"}', `${DOCUMENTS}?wait=true`, { 'content-type': type })).statusCode).toBe(200);
  });

  it('cuts a long upload into slices', async () => {
    const rows = Array.from({ length: 600 }, (_, row) => JSON.stringify({ id: `d${row}`, text: `text ${row}` }));
    expect((await ndjson(rows.join('\n'))).json().request_counts).toMatchObject({ total: 600, succeeded: 600 });
    expect(api.fleet.submissions.map((task) => task.body)).toMatchObject([{ slice: 0 }, { slice: 1 }, { slice: 2 }]);
    expect(stored()).toHaveLength(600);
  });

  it('answers 400 where no row can be read, and keeps nothing', async () => {
    const response = await ndjson('nonsense\n{"text":5}');
    expect(response.statusCode).toBe(400);
    expect(response.json().errors).toHaveLength(2);
    expect((await ndjson('')).statusCode).toBe(400);
    expect((await ndjson('\n\n')).json().detail).toContain('no documents');
    expect(api.fleet.blobs.blobs.size).toBe(0);
  });

  it('unpacks gzip, and bounds what it unpacks to', async () => {
    const headers = { ...NDJSON, 'content-encoding': 'gzip' };
    expect((await ndjson(gzipSync('{"text":"one"}\n{"text":"two"}'), undefined, headers)).json().request_counts.succeeded).toBe(2);
    const line = `${JSON.stringify({ text: 'x'.repeat(1_000) })}\n`;
    const bomb = await ndjson(gzipSync(line.repeat(3_000)), undefined, headers);
    expect(bomb.statusCode).toBe(413);
    const cut = await ndjson(gzipSync(line.repeat(300)).subarray(0, 200), undefined, headers);
    expect(cut.json().code).toBe('invalid_request');
    expect([...api.fleet.blobs.blobs.keys()].filter((key) => key.includes('/slices/'))).toEqual([]);
  });

  it('refuses JSON that unpacks to too much', async () => {
    const payload = gzipSync(JSON.stringify({ documents: [{ text: 'x'.repeat(200_000) }] }));
    const response = await api.inject({
      method: 'POST',
      url: DOCUMENTS,
      payload,
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    });
    expect(response.statusCode).toBe(413);
  });

  it('keeps nothing of an upload for which the disk is full', async () => {
    api.fleet.blobs.fault = new RerankError('storage_full', 'The disk is full; free some space.');
    const response = await ndjson('{"text":"one"}');
    expect(response.statusCode).toBe(507);
    expect(api.fleet.submissions).toEqual([]);
  });

  it('keeps an accepted job although the queue is away, and queues it when that is back', async () => {
    api.fleet.submitFault = new RerankError('queue_unavailable', 'Away.');
    const response = await ndjson('{"text":"one"}', DOCUMENTS);
    expect(response.statusCode).toBe(202);
    const statusNow = async (): Promise<unknown> => (await api.inject({ url: response.json().urls.self })).json().status;
    expect(await statusNow()).toBe('queued');
    api.fleet.submitFault = undefined;
    await expect.poll(statusNow, { timeout: 20_000 }).toBe('completed');
  });

  it('answers 404 for an unknown corpus before it reads', async () => {
    expect((await ndjson('{"text":"one"}', '/v1/corpora/none/documents')).json().code).toBe('corpus_not_found');
  });

  it('refuses other media types and queries', async () => {
    expect((await ndjson('text', DOCUMENTS, { 'content-type': 'text/plain' })).statusCode).toBe(415);
    expect((await ndjson('{"text":"a"}', `${DOCUMENTS}?wait=perhaps`)).json().errors?.[0]?.pointer).toBe('/wait');
    expect((await ndjson('{"corpus":"manuals","query":"q"}', '/v1/search')).statusCode).toBe(415);
  });

  it('abandons an upload whose client goes away', async () => {
    const url = new URL(await api.listen());
    const socket = connect(Number(url.port), url.hostname);
    socket.on('error', () => undefined);
    const row = `${JSON.stringify({ text: 'x'.repeat(1_000) })}\n`.repeat(600);
    socket.write(
      `POST ${DOCUMENTS} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    socket.write(`${row.length.toString(16)}\r\n${row}\r\n`);
    const slices = () => [...api.fleet.blobs.blobs.keys()].length;
    while (slices() === 0) await sleep(5);
    socket.destroy();
    while (slices() > 0) await sleep(5);
    expect(api.fleet.submissions).toEqual([]);
  });

  it('tells a client that sends on why its upload was refused', async () => {
    const url = await api.listen();
    const response = await fetch(new URL(DOCUMENTS, url), {
      method: 'POST',
      headers: NDJSON,
      body: `${JSON.stringify({ text: 'x'.repeat(900) })}\n`.repeat(20_000),
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: 'payload_too_large' });
  });
});

describe('documents', () => {
  beforeEach(() => ndjson('{"id":"a/b ü","text":"one","metadata":{"k":"v"}}\n{"id":"c","text":"two"}'));

  it('reads one by its id', async () => {
    const response = await api.inject({ url: `${DOCUMENTS}/${encodeURIComponent('a/b ü')}` });
    expect(response.json()).toEqual({ id: 'a/b ü', text: 'one', metadata: { k: 'v' } });
    expect((await api.inject({ url: `${DOCUMENTS}/none` })).json().code).toBe('document_not_found');
    expect((await api.inject({ url: `${DOCUMENTS}/%00` })).json().code).toBe('document_not_found');
    expect((await api.inject({ url: `${DOCUMENTS}/${'x'.repeat(600)}` })).json().code).toBe('document_not_found');
  });

  it('reads all, page by page, each once', async () => {
    await ndjson(Array.from({ length: 60 }, (_, row) => JSON.stringify({ id: `d${row}`, text: `text ${row}` })).join('\n'));
    const found: string[] = [];
    const sizes: number[] = [];
    for (let query = '?limit=25'; query !== '';) {
      const page = documentListSchema.parse((await api.inject({ url: `${DOCUMENTS}${query}` })).json());
      found.push(...page.data.map(({ id }) => id));
      sizes.push(page.data.length);
      query = page.has_more ? `?limit=25&after=${encodeURIComponent(page.next!)}` : '';
    }
    expect(sizes).toEqual([25, 25, 12]);
    expect(found).toEqual(['a/b ü', 'c', ...Array.from({ length: 60 }, (_, row) => `d${row}`)]);
  });

  it('ends a page early where documents are long, and never shows how they are stored', async () => {
    await ndjson(JSON.stringify({ id: 'first', text: 'x' }));
    for (let round = 0; round < 30; round += 1)
      await api.fleet.documents.putDocuments({ tenant: 'default', corpus: 'manuals' }, [
        { id: `long${round}`, text: 'x'.repeat(300_000), seq: 9 },
      ]);
    const page = documentListSchema.parse((await api.inject({ url: `${DOCUMENTS}?limit=1000` })).json());
    expect(page.has_more).toBe(true);
    expect(page.data.length).toBeGreaterThan(13);
    expect(page.data.length).toBeLessThan(18);
    expect(page.data[0]).toEqual({ id: 'a/b ü', text: 'one', metadata: { k: 'v' } });
  });

  it('needs the scope ingest to read all, and refuses other queries', async () => {
    expect((await api.inject({ url: `${DOCUMENTS}?after=nonsense` })).json().errors?.[0]?.pointer).toBe('/after');
    expect((await api.inject({ url: `${DOCUMENTS}?limit=0` })).json().errors?.[0]?.pointer).toBe('/limit');
    expect((await api.inject({ url: `${DOCUMENTS}?page=2` })).statusCode).toBe(400);
    expect((await api.inject({ url: '/v1/corpora/none/documents' })).json().code).toBe('corpus_not_found');
    const guarded = await startTestApi({
      API_KEYS: JSON.stringify([{ key: 'k'.repeat(40), tenant: 'default', scopes: ['search', 'admin'] }]),
    });
    const response = await guarded.inject({ url: DOCUMENTS, headers: { authorization: `Bearer ${'k'.repeat(40)}` } });
    await guarded.close();
    expect(response.json().code).toBe('forbidden');
  });

  it('deletes one, by a write with its own sequence number', async () => {
    expect((await api.inject({ method: 'DELETE', url: `${DOCUMENTS}/c` })).statusCode).toBe(204);
    expect(api.fleet.calls.at(-1)?.body).toMatchObject({ change: { op: 'delete_documents', corpus_id: 'id-manuals', seq: 2, ids: ['c'] } });
    expect((await api.inject({ method: 'DELETE', url: `${DOCUMENTS}/c` })).statusCode).toBe(404);
  });

  it('deletes many by id or by filter', async () => {
    const remove = (payload: object) => api.inject({ method: 'POST', url: `${DOCUMENTS}/delete`, payload });
    expect((await remove({ ids: ['c', 'none'] })).json()).toEqual({ deleted: 1 });
    expect((await remove({ filter: { must: [{ key: 'k', match: { value: 'v' } }] } })).statusCode).toBe(200);
    expect(api.fleet.calls.at(-1)?.body).toMatchObject({ change: { filter: { must: [{ key: 'k', match: { value: 'v' } }] } } });
    expect((await remove({})).json().detail).toContain('either ids or filter');
    expect((await remove({ ids: [] })).statusCode).toBe(400);
  });
});

describe('GET /v1/jobs/{id}', () => {
  it.each(['job_00000000000000000000000000000000', 'nonsense', '..%2F..%2Fetc'])('answers 404 for %s', async (id) => {
    expect((await api.inject({ url: `/v1/jobs/${id}` })).json().code).toBe('job_not_found');
  });
});
