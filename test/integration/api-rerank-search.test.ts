import { sigmoid } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import { rerankResponseSchema, searchResponseSchema, type SearchTask } from '@rerank-fleet/core/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announcement, corpusRecord, EMBEDDER, RERANKER } from '../support/fleet-fixtures.js';
import { startTestApi, type TestApi } from './api-support.js';

let api: TestApi;
beforeEach(async () => {
  api = await startTestApi({
    MAX_DOCUMENTS: '150',
    SYNC_TIMEOUT_MS: '2000',
    MODEL_ALIASES: JSON.stringify({ 'rerank-v3.5': RERANKER.name }),
  });
});
afterEach(() => api.close());

const post = (url: string, payload: object) => api.inject({ method: 'POST', url, payload });
const DOCUMENTS = ['short one', 'the very longest of these', { text: 'middle of the road', source: 'b' }];
const task = () => api.fleet.calls.at(-1)!;

describe('POST /v1/rerank', () => {
  it('orders all documents, best first, without their texts', async () => {
    const response = await post('/v1/rerank', { query: 'q', documents: DOCUMENTS });
    expect(response.statusCode).toBe(200);
    const body = rerankResponseSchema.parse(response.json());
    expect(response.json()).toEqual(body);
    expect(body.results).toEqual([
      { index: 1, relevance_score: sigmoid(15) },
      { index: 2, relevance_score: sigmoid(8) },
      { index: 0, relevance_score: sigmoid(-1) },
    ]);
    expect(body).toMatchObject({
      model: RERANKER.name,
      usage: { prompt_tokens: 52, total_tokens: 52 },
      meta: { api_version: { version: '1' }, billed_units: { search_units: 1 }, tokens: { input_tokens: 52 } },
    });
    expect(response.body).not.toContain('null');
    expect(body).not.toHaveProperty('timings_ms');
  });

  it('sends the task to the pool of the model, pinned to its file, with the time that is left', async () => {
    await post('/v1/rerank', {
      query: 'q',
      documents: DOCUMENTS,
      top_n: 99,
      max_tokens_per_doc: 64,
      deterministic: true,
      timeout_ms: 1_000,
    });
    expect(task()).toMatchObject({ queue: 'sync', tenant: 'default', pool: 'default' });
    expect(task().timeoutMs).toBeLessThanOrEqual(1_000);
    expect(task().timeoutMs).toBeGreaterThan(500);
    expect(task().body).toEqual({
      kind: 'rerank',
      stages: [{ model: RERANKER }],
      query: 'q',
      documents: ['short one', 'the very longest of these', 'middle of the road'],
      top_n: 3,
      long_document: 'truncate',
      deterministic: true,
      max_passage_tokens: 64,
    });
  });

  it('allows no more time than the server does', async () => {
    await post('/v1/rerank', { query: 'q', documents: ['a'], timeout_ms: 600_000 });
    expect(task().timeoutMs).toBeLessThanOrEqual(2_000);
  });

  it('returns documents as they were sent, cut to top_n', async () => {
    const { results } = (await post('/v1/rerank', { query: 'q', documents: DOCUMENTS, top_n: 2, return_documents: true })).json();
    expect(results.map((result) => result.document)).toEqual([{ text: DOCUMENTS[1] }, DOCUMENTS[2]]);
  });

  it('explains', async () => {
    const body = (await post('/v1/rerank', { query: 'q', documents: ['twelve chars'], explain: true })).json();
    expect(body.results).toEqual([{ index: 0, relevance_score: sigmoid(2), logit: 2, tokens: 12, truncated: false }]);
    expect(body.timings_ms).toMatchObject({ queue: 1, tokenize: 2, score: 3, total: expect.any(Number) as number });
  });

  it('cuts by min_score, on the score that goes out', async () => {
    const scores = async (fields: object) => (await post('/v1/rerank', { query: 'q', documents: DOCUMENTS, ...fields })).json().results;
    expect(await scores({ min_score: 0.5 })).toHaveLength(2);
    expect(await scores({ min_score: sigmoid(8) })).toHaveLength(2);
    expect(await scores({ min_score: 1.5 })).toEqual([]);
    expect(await scores({ min_score: 0 })).toHaveLength(3);
    expect(await scores({ min_score: 8.5, raw_scores: true })).toEqual([{ index: 1, relevance_score: 15 }]);
    expect(JSON.stringify(api.fleet.calls.map((call) => call.body))).not.toContain('null');
  });

  it('counts search units by the hundred', async () => {
    const body = (await post('/v1/rerank', { query: 'q', documents: Array.from({ length: 101 }, () => 'a') })).json();
    expect(body.meta.billed_units.search_units).toBe(2);
  });

  it('ignores fields it does not know and names them', async () => {
    const response = await post('/v1/rerank', { query: 'q', documents: ['a'], rank_fields: ['x'], model: null });
    expect(response.statusCode).toBe(200);
    expect(response.headers['x-ignored-fields']).toBe('rank_fields');
  });

  it.each(['rerank-v3.5', RERANKER.name, `cross-encoder/${RERANKER.name}`])('knows the model as %s', async (model) => {
    expect((await post('/v1/rerank', { query: 'q', documents: ['a'], model })).json().model).toBe(RERANKER.name);
  });

  it('answers 404 for a model that nobody has, naming those there are', async () => {
    const response = await post('/v1/rerank', { query: 'q', documents: ['a'], model: 'no-such' });
    expect(response.statusCode).toBe(404);
    expect(response.json()).toMatchObject({ code: 'model_not_found', detail: expect.stringContaining(RERANKER.name) as string });
  });

  it('answers 413 for more documents than allowed', async () => {
    const response = await post('/v1/rerank', { query: 'q', documents: Array.from({ length: 151 }, () => 'a') });
    expect(response.statusCode).toBe(413);
    expect(response.json()).toMatchObject({ code: 'too_many_documents', errors: [{ pointer: '/documents' }] });
  });

  it('waits for the first worker, then answers 503 with Retry-After', async () => {
    api.fleet.workers = [];
    const response = await post('/v1/rerank', { query: 'q', documents: ['a'], timeout_ms: 50 });
    expect(response.statusCode).toBe(503);
    expect(response.json().code).toBe('model_unavailable');
    expect(response.headers['retry-after']).toBe('10');
    expect(api.fleet.demand).toEqual(['default']);
  });

  it('sends work to a pool that is remembered while no worker lives', async () => {
    api.fleet.pools = [{ pool: 'default', models: api.fleet.workers[0]!.models }];
    api.fleet.workers = [];
    expect((await post('/v1/rerank', { query: 'q', documents: ['a'] })).statusCode).toBe(200);
  });

  it.each([
    [new RerankError('deadline_exceeded', 'Late.'), 504],
    [new RerankError('queue_unavailable', 'Away.', { retryAfterS: 2 }), 503],
    [new RerankError('query_too_long', 'Long.', { errors: [{ pointer: '/query', detail: 'has 600 tokens' }] }), 422],
  ])('passes on what the dispatcher says: %#', async (error, status) => {
    api.fleet.answer = () => {
      throw error;
    };
    const response = await post('/v1/rerank', { query: 'q', documents: ['a'] });
    expect(response.statusCode).toBe(status);
    expect(response.json()).toMatchObject({ code: error.code, detail: error.detail });
  });

  it('tells nothing of an unknown fault, and logs it under the request id', async () => {
    api.fleet.answer = () => {
      throw new Error('connect to 10.1.2.3 with password hunter2');
    };
    const response = await api.inject({
      method: 'POST',
      url: '/v1/rerank',
      headers: { 'x-request-id': 'find-me' },
      payload: { query: 'q', documents: ['a'] },
    });
    expect(response.statusCode).toBe(500);
    expect(response.json()).toMatchObject({ code: 'internal_error', instance: 'find-me' });
    expect(response.body).not.toContain('hunter2');
    expect(api.log.find((line) => line.request_id === 'find-me' && line.level === 50)).toMatchObject({
      err: { message: expect.stringContaining('hunter2') as string },
    });
  });
});

describe('POST /v1/search', () => {
  beforeEach(async () => {
    const ref = { tenant: 'default', corpus: 'manuals' };
    await api.fleet.documents.createCorpus(corpusRecord(ref));
    await api.fleet.documents.putDocuments(ref, [
      { id: 'a', title: 'A', text: 'first', seq: 1 },
      { id: 'b', text: 'second', seq: 2 },
    ]);
  });

  it('pins the promoted version and the model, and fills in the defaults', async () => {
    const response = await post('/v1/search', { corpus: 'manuals', query: 'q' });
    expect(response.statusCode).toBe(200);
    expect(task().body).toEqual({
      kind: 'search',
      version: corpusRecord({ tenant: 'default', corpus: 'manuals' }).versions[0]!,
      stages: [{ model: RERANKER }],
      query: 'q',
      mode: 'hybrid',
      top_k: 50,
      top_n: 10,
      group_by: 'document',
      long_document: 'truncate',
    } satisfies SearchTask);
  });

  it('answers as documented', async () => {
    const response = await post('/v1/search', { corpus: 'manuals', query: 'q', explain: true });
    const body = searchResponseSchema.parse(response.json());
    expect(response.json()).toEqual(body);
    expect(body).toMatchObject({
      corpus: 'manuals',
      version: 1,
      model: RERANKER.name,
      truncated: ['a'],
      usage: { prompt_tokens: 14, total_tokens: 14 },
    });
    expect(body.results[0]).toEqual({
      document_id: 'a',
      title: 'A',
      passage: { index: 0, start: 0, end: 5, text: 'first' },
      relevance_score: sigmoid(2),
      logit: 2,
      first_stage: { score: 1, rank: 1 },
      tokens: 7,
      truncated: true,
      moved: 0,
    });
  });

  it('leaves texts out where they are not wanted', async () => {
    const { results } = (await post('/v1/search', { corpus: 'manuals', query: 'q', return_documents: false })).json();
    expect(results[0]).toEqual({
      document_id: 'a',
      passage: { index: 0, start: 0, end: 5 },
      relevance_score: sigmoid(2),
      logit: 2,
      first_stage: { score: 1, rank: 1 },
    });
  });

  it('returns the first stage alone with rerank: false, without a model', async () => {
    const body = (await post('/v1/search', { corpus: 'manuals', query: 'q', rerank: false })).json();
    expect(body).not.toHaveProperty('model');
    expect(body.results[0]).not.toHaveProperty('relevance_score');
    expect((task().body as SearchTask).stages).toBeUndefined();
  });

  it('needs the embedder of the corpus, but not for sparse retrieval', async () => {
    api.fleet.workers = [announcement({ models: [announcement().models[0]!, { ...announcement().models[1]!, sha256: 'another' }] })];
    const dense = await post('/v1/search', { corpus: 'manuals', query: 'q' });
    expect(dense.statusCode).toBe(503);
    expect(dense.json()).toMatchObject({ code: 'model_unavailable', detail: expect.stringContaining(EMBEDDER.name) as string });
    expect((await post('/v1/search', { corpus: 'manuals', query: 'q', mode: 'sparse' })).statusCode).toBe(200);
  });

  it.each([
    [{ top_k: 1_001 }, 413, 'too_many_candidates', '/top_k'],
    [{ top_k: 5, top_n: 6 }, 400, 'invalid_request', '/top_n'],
    [{ unknown: 1 }, 400, 'invalid_request', '/unknown'],
    [{ rerank: false, min_score: 0.5 }, 400, 'invalid_request', '/min_score'],
    [{ rerank: false, model: RERANKER.name }, 400, 'invalid_request', '/model'],
    [{ model: 'no-such' }, 404, 'model_not_found', '/model'],
    [{ mode: 'fuzzy' }, 400, 'invalid_request', '/mode'],
    [{ filter: { must: [{ key: 'a', range: { gt: 1, lt: '2020-01-01' } }] } }, 400, 'invalid_request', '/filter/must/0/range'],
    [{ corpus: 'Not A Name' }, 400, 'invalid_request', '/corpus'],
  ])('refuses %j', async (fields, status, code, pointer) => {
    const response = await post('/v1/search', { corpus: 'manuals', query: 'q', ...fields });
    expect(response.statusCode).toBe(status);
    expect(response.json()).toMatchObject({ code, errors: [{ pointer }] });
    expect(api.fleet.calls).toEqual([]);
  });

  it('answers 404 for an unknown corpus, and 503 while the store is away', async () => {
    expect((await post('/v1/search', { corpus: 'nothing', query: 'q' })).json().code).toBe('corpus_not_found');
    api.fleet.documents.fault = new RerankError('candidate_store_unavailable', 'The store is away.');
    expect((await post('/v1/search', { corpus: 'manuals', query: 'q' })).statusCode).toBe(503);
  });
});

describe('GET /v1/models', () => {
  it('lists live models and those of pools that sleep', async () => {
    api.fleet.workers = [announcement(), announcement({ worker_id: 'worker-2', started_at: 2_000_000 })];
    api.fleet.pools = [{ pool: 'sleepy', models: [{ ...announcement().models[0]!, name: 'rare' }] }];
    const { object, data } = (await api.inject({ url: '/v1/models' })).json();
    expect(object).toBe('list');
    expect(data).toEqual([
      expect.objectContaining({
        id: RERANKER.name,
        kind: 'cross-encoder',
        pool: 'default',
        live_workers: 2,
        default: true,
        max_length: 512,
        created: 2_000,
      }),
      expect.objectContaining({ id: EMBEDDER.name, kind: 'embedder', live_workers: 2, default: true }),
      expect.objectContaining({ id: 'rare', pool: 'sleepy', live_workers: 0, default: false }),
    ]);
  });
});
