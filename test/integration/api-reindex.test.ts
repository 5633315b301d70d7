import { reindexListSchema, reindexSchema, type ReindexBody } from '@rerank-fleet/core/contracts';
import type { CorpusRef } from '@rerank-fleet/core/domain';
import { isReindexId } from '@rerank-fleet/core/jobs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announcement, corpusRecord, EMBEDDER } from '../support/fleet-fixtures.js';
import { startTestApi, type Answer, type TestApi } from './api-support.js';
import { RecordWorker } from './record-worker.js';

const KEYS = { mine: 'm'.repeat(40), theirs: 't'.repeat(40), reader: 'r'.repeat(40) };
const MANUALS: CorpusRef = { tenant: 'mine', corpus: 'manuals' };
const START = '/v1/admin/corpora/manuals/reindex';

let api: TestApi;
let worker: RecordWorker;
beforeEach(async () => {
  const keys = [
    { key: KEYS.mine, tenant: 'mine', scopes: ['admin'] },
    { key: KEYS.theirs, tenant: 'theirs', scopes: ['admin'] },
    { key: KEYS.reader, tenant: 'mine', scopes: ['search', 'ingest', 'jobs', 'operator'] },
  ];
  api = await startTestApi({ SYNC_TIMEOUT_MS: '1000', API_KEYS: JSON.stringify(keys) });
  await api.fleet.documents.createCorpus(corpusRecord(MANUALS));
  await api.fleet.documents.putDocuments(
    MANUALS,
    ['a', 'b'].map((id) => ({ id, text: id, seq: 1 })),
  );
  worker = new RecordWorker(api.fleet);
});
afterEach(() => api.close());

const call = (
  method: 'GET' | 'POST',
  url: string,
  { key = KEYS.mine, payload }: { key?: string; payload?: object } = {},
): Promise<Answer> =>
  api.inject({ method, url, headers: { authorization: `Bearer ${key}` }, ...(payload === undefined ? {} : { payload }) });
const bodyOf = (answer: Answer): ReindexBody => reindexSchema.parse(answer.json());
const begin = async (payload: object = {}): Promise<ReindexBody> => bodyOf(await call('POST', START, { payload }));
const control = (id: string, action: string): Promise<Answer> => call('POST', `/v1/admin/reindex/${id}/${action}`);

describe('POST /v1/admin/corpora/{name}/reindex', () => {
  it('begins one, says where it is told of, and takes an absent body', async () => {
    const response = await call('POST', START);
    expect(response.statusCode).toBe(202);
    const reindex = bodyOf(response);
    expect(response.json()).toEqual(reindex);
    expect(isReindexId(reindex.id)).toBe(true);
    expect(reindex).toMatchObject({ corpus: 'manuals', from_version: 1, to_version: 2, status: 'building', promote: 'auto', total: 2 });
    expect(response.headers.location).toBe(`/v1/admin/reindex/${reindex.id}`);
    expect(bodyOf(await call('GET', reindex.urls.self))).toEqual(reindex);
    expect((await call('GET', '/v1/corpora/manuals', { key: KEYS.reader })).json()).toMatchObject({
      version: 1,
      versions: [
        { version: 1, state: 'promoted' },
        { version: 2, state: 'building' },
      ],
    });
  });

  it('sends the worker what was asked for', async () => {
    const payload = {
      embedding_model: EMBEDDER.name,
      chunking: { mode: 'sentences', max_tokens: 128, overlap_tokens: 16 },
      requests_per_second: 50,
      promote: 'manual',
      keep_previous_s: 60,
      validation: { min_overlap: 0.5, judged: [{ query: 'q', relevant: { d1: 2 } }], min_ndcg_ratio: 0.9 },
    };
    const { id } = await begin(payload);
    expect(api.fleet.calls[0]).toMatchObject({
      queue: 'sync',
      tenant: 'mine',
      body: { corpus: 'manuals', change: { op: 'start_reindex', id, request: payload } },
    });
  });

  it.each([
    [{ colour: 'red' }, ''],
    [{ chunking: { max_tokens: 100, overlap_tokens: 60 } }, '/chunking'],
    [{ requests_per_second: 0 }, '/requests_per_second'],
    [{ promote: 'later' }, '/promote'],
    [{ validation: { min_ndcg_ratio: 1 } }, '/validation'],
    [{ index: { shards: 0 } }, '/index/shards'],
    [{ keep_previous_s: -1 }, '/keep_previous_s'],
  ])('refuses %j and points at it', async (payload, pointer) => {
    const response = await call('POST', START, { payload });
    expect(response.statusCode).toBe(400);
    expect(response.json().errors?.[0]?.pointer).toMatch(new RegExp(`^${pointer}`));
    expect(api.fleet.calls).toEqual([]);
  });

  it('goes to workers with the embedder that is asked for, else with that of the corpus', async () => {
    const other = announcement({ worker_id: 'worker-2', pool: 'gpu' });
    api.fleet.workers = [
      { ...announcement(), models: announcement().models.filter(({ kind }) => kind !== 'embedder') },
      { ...other, models: other.models.map((model) => (model.kind === 'embedder' ? { ...model, sha256: 'another file' } : model)) },
    ];
    await begin();
    expect(api.fleet.calls[0]?.pool).toBe('gpu');
    const unknown = await call('POST', START, { payload: { embedding_model: 'bge-large' } });
    expect(unknown.statusCode).toBe(404);
    expect(unknown.json()).toMatchObject({ code: 'model_not_found', errors: [{ pointer: '/embedding_model' }] });
  });

  it('says so where no worker has the embedder of the corpus', async () => {
    api.fleet.workers = [{ ...announcement(), models: announcement().models.filter(({ kind }) => kind !== 'embedder') }];
    const response = await call('POST', START);
    expect(response.json()).toMatchObject({ code: 'model_unavailable', detail: expect.stringContaining(EMBEDDER.name) as string });
    expect(api.fleet.calls).toEqual([]);
  });

  it('refuses a second one by the id of the first', async () => {
    const { id } = await begin();
    const second = await call('POST', START);
    expect(second.statusCode).toBe(409);
    expect(second.json()).toMatchObject({ code: 'reindex_in_progress', detail: expect.stringContaining(id) as string });
  });

  it('knows no corpus of another tenant, and takes no key without the scope admin', async () => {
    expect((await call('POST', START, { key: KEYS.theirs })).json().code).toBe('corpus_not_found');
    for (const [method, url] of [
      ['POST', START],
      ['GET', '/v1/admin/reindex'],
      ['GET', '/v1/admin/reindex/x'],
    ] as const)
      expect((await call(method, url, { key: KEYS.reader })).statusCode).toBe(403);
    for (const action of ['rethrottle', 'cancel', 'promote', 'rollback'])
      expect((await call('POST', `/v1/admin/reindex/x/${action}`, { key: KEYS.reader })).statusCode).toBe(403);
  });
});

describe('GET /v1/admin/reindex', () => {
  it('lists those of all corpora, newest first, or of one', async () => {
    await api.fleet.documents.createCorpus(corpusRecord({ tenant: 'mine', corpus: 'notes' }));
    await api.fleet.documents.createCorpus(corpusRecord({ tenant: 'theirs', corpus: 'manuals' }));
    const list = async (query = '', key = KEYS.mine) =>
      reindexListSchema.parse((await call('GET', `/v1/admin/reindex${query}`, { key })).json()).data;
    const ids: string[] = [];
    for (const corpus of ['manuals', 'notes', 'manuals']) {
      const { id } = bodyOf(await call('POST', `/v1/admin/corpora/${corpus}/reindex`));
      await control(id, 'cancel');
      ids.unshift(id);
    }
    expect((await list()).map(({ id }) => id)).toEqual(ids.toSorted().toReversed());
    expect((await list('?corpus=notes')).map(({ corpus }) => corpus)).toEqual(['notes']);
    expect(await list('', KEYS.theirs)).toEqual([]);
    expect((await call('GET', '/v1/admin/reindex?corpus=none')).json().code).toBe('corpus_not_found');
    expect((await call('GET', '/v1/admin/reindex?state=open')).statusCode).toBe(400);
  });

  it('answers 404 for an id that there is not, and for that of another tenant', async () => {
    const { id } = await begin();
    for (const [unknown, key] of [
      [id, KEYS.theirs],
      ['rx_0', KEYS.mine],
      ['..%2F', KEYS.mine],
    ] as const) {
      expect((await call('GET', `/v1/admin/reindex/${unknown}`, { key })).json().code).toBe('job_not_found');
      expect((await call('POST', `/v1/admin/reindex/${unknown}/cancel`, { key })).json().code).toBe('job_not_found');
    }
    expect(bodyOf(await call('GET', `/v1/admin/reindex/${id}`)).status).toBe('building');
  });
});

describe('POST /v1/admin/reindex/{id}/…', () => {
  it('rethrottles, by a number or without a limit, as Elasticsearch writes it too', async () => {
    const { id } = await begin({ requests_per_second: 10 });
    const rethrottle = async (value: string) => await control(id, `rethrottle?requests_per_second=${value}`);
    expect(bodyOf(await rethrottle('0.5')).requests_per_second).toBe(0.5);
    expect(bodyOf(await rethrottle('unlimited'))).not.toHaveProperty('requests_per_second');
    await rethrottle('20');
    expect(bodyOf(await rethrottle('-1'))).not.toHaveProperty('requests_per_second');
    for (const wrong of ['0', '-2', 'fast', '', '1e9'])
      expect((await rethrottle(wrong)).json()).toMatchObject({ code: 'invalid_request', errors: [{ pointer: '/requests_per_second' }] });
    expect((await control(id, 'rethrottle')).statusCode).toBe(400);
  });

  it('cancels, and leaves one alone that has ended', async () => {
    const { id } = await begin();
    expect(bodyOf(await control(id, 'cancel'))).toMatchObject({ status: 'cancelled', ended_at: expect.any(Number) as number });
    expect(bodyOf(await control(id, 'cancel')).status).toBe('cancelled');
    expect((await control(id, 'rethrottle?requests_per_second=1')).json()).toMatchObject({ code: 'invalid_request' });
    expect((await call('GET', '/v1/corpora/manuals', { key: KEYS.reader })).json()).toMatchObject({ versions: [{ version: 1 }] });
  });

  it('promotes one that is ready, and rolls it back', async () => {
    const { id } = await begin({ promote: 'manual' });
    expect((await control(id, 'promote')).json()).toMatchObject({ code: 'reindex_in_progress' });
    const validation = { documents: { expected: 100, found: 100 }, repaired: 0, queries: 5, overlap: 0.9, failures: [] };
    await worker.worked(MANUALS, id, { status: 'ready', validation, created: 100, workedMs: 2_000 });
    expect(bodyOf(await call('GET', `/v1/admin/reindex/${id}`))).toMatchObject({ status: 'ready', validation, documents_per_s: 50 });
    expect(bodyOf(await control(id, 'promote')).status).toBe('completed');
    const versions = async () => (await call('GET', '/v1/corpora/manuals', { key: KEYS.reader })).json();
    expect(await versions()).toMatchObject({
      version: 2,
      versions: [{ state: 'retired', retired_at: expect.any(Number) as number }, { state: 'promoted' }],
    });
    expect(bodyOf(await control(id, 'rollback')).status).toBe('rolled_back');
    expect(await versions()).toMatchObject({ version: 1, versions: [{ state: 'promoted' }, { state: 'retired' }] });
  });
});
