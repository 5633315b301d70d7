import { sigmoid } from '@rerank-fleet/core/domain';
import {
  cohereErrorSchema,
  cohereRerankResponseSchema,
  rerankResponseSchema,
  teiErrorSchema,
  teiInfoSchema,
  teiRerankResponseSchema,
  voyageErrorSchema,
  voyageRerankResponseSchema,
  type RerankTask,
} from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RERANKER } from '../support/fleet-fixtures.js';
import { startTestApi, type TestApi } from './api-support.js';

const KEY = 'compat-key-0123456789';
const TEXTS = ['short one', 'the very longest of these', 'middle of the road'];
const BODIES = {
  '/v2/rerank': { query: 'q', documents: TEXTS },
  '/rerank': { query: 'q', texts: TEXTS },
  '/v1/voyage/rerank': { query: 'q', documents: TEXTS },
} as const;
const ROUTES = Object.entries(BODIES);

let api: TestApi;
const start = async (env: Record<string, string> = {}): Promise<void> => {
  api = await startTestApi({ MAX_DOCUMENTS: '5', SYNC_TIMEOUT_MS: '2000', ...env });
};
beforeEach(() => start());
afterEach(() => api.close());

const post = (url: string, payload: object, headers: Record<string, string> = {}) => api.inject({ method: 'POST', url, payload, headers });
const task = () => api.fleet.calls.at(-1)!.body as RerankTask;
const failWith = (error: Error): void => {
  api.fleet.answer = () => {
    throw error;
  };
};

describe.each(ROUTES)('%s', (url, body) => {
  it('ignores what it does not know, names it, and takes null for what is left out', async () => {
    const response = await post(url, { ...body, rank_fields: ['x'], top_n: null, top_k: null, truncate: null, model: null, zeta: 1 });
    expect(response.statusCode).toBe(200);
    expect(response.headers['x-ignored-fields']).toBe('rank_fields, zeta');
    expect(response.body).not.toContain('null');
  });

  it('needs a key with the scope "search"', async () => {
    await api.close();
    await start({ API_KEYS: JSON.stringify([{ key: KEY, tenant: 'acme', scopes: ['ingest'] }]) });
    const bare = await post(url, body);
    expect(bare.statusCode).toBe(401);
    expect(bare.headers['www-authenticate']).toBe('Bearer');
    expect((await post(url, body, { authorization: `Bearer ${KEY}` })).statusCode).toBe(403);
    expect(api.fleet.calls).toEqual([]);
  });

  it('logs the code of what it refused', async () => {
    failWith(new RerankError('queue_unavailable', 'Away.'));
    await post(url, body);
    expect(api.log.find((line) => line.msg === 'request')).toMatchObject({ route: url, status: 503, code: 'queue_unavailable' });
  });

  it('tells nothing of an unknown fault', async () => {
    failWith(new Error('password hunter2'));
    const response = await post(url, body);
    expect(response.statusCode).toBe(url === '/rerank' ? 424 : 500);
    expect(response.body).not.toContain('hunter2');
  });
});

describe('POST /v2/rerank', () => {
  it('answers as Cohere does, without documents', async () => {
    const response = await post('/v2/rerank', { query: 'q', documents: TEXTS, top_n: 2, return_documents: true });
    expect(response.statusCode).toBe(200);
    const body = cohereRerankResponseSchema.parse(response.json());
    expect(response.json()).toEqual(body);
    expect(body.results).toEqual([
      { index: 1, relevance_score: sigmoid(15) },
      { index: 2, relevance_score: sigmoid(8) },
    ]);
    expect(body.meta.api_version.version).toBe('2');
    expect(response.headers['x-ignored-fields']).toBe('return_documents');
  });

  it('has long documents scored in windows, and puts the priority on the task', async () => {
    await post('/v2/rerank', { query: 'q', documents: TEXTS, priority: 7 });
    expect(task()).toMatchObject({ long_document: 'chunk', max_passage_tokens: 4_096 });
    expect(api.fleet.calls.at(-1)).toMatchObject({ queue: 'sync', priority: 7 });
  });

  it.each<[object, number]>([
    [{ query: '', documents: ['a'] }, 400],
    [{ query: 'q', documents: [] }, 400],
    [{ query: 'q', documents: ['a'], priority: 1_000 }, 400],
    [{ query: 'q', documents: [{ text: 'a' }] }, 400],
    [{ query: 'q', documents: ['a'], model: 'no-such' }, 404],
    [{ query: 'q', documents: Array(6).fill('a') }, 413],
  ])('refuses %j in Cohere’s form', async (payload, status) => {
    const response = await post('/v2/rerank', payload);
    expect(response.statusCode).toBe(status);
    expect(response.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(cohereErrorSchema.strict().parse(response.json()).id).toBe(response.headers['x-request-id']);
  });

  it('refuses a body that is no JSON in Cohere’s form', async () => {
    const headers = { 'content-type': 'application/json' };
    const response = await api.inject({ method: 'POST', url: '/v2/rerank', headers, payload: '{"query": ' });
    expect(response.statusCode).toBe(400);
    expect(cohereErrorSchema.strict().parse(response.json()).message).toContain('not valid JSON');
    const text = await api.inject({ method: 'POST', url: '/v2/rerank', headers: { 'content-type': 'text/plain' }, payload: 'x' });
    expect(text.statusCode).toBe(415);
    expect(cohereErrorSchema.strict().safeParse(text.json()).success).toBe(true);
  });
});

describe('POST /rerank', () => {
  it('is another name of /v1/rerank', async () => {
    const payload = { query: 'q', documents: [{ text: 'some text', id: 3 }, 'a'], return_documents: true, top_n: 1, zeta: 1 };
    const response = await post('/rerank', payload);
    const body = rerankResponseSchema.parse(response.json());
    expect(body.results).toEqual([{ index: 0, relevance_score: sigmoid(-1), document: { text: 'some text', id: 3 } }]);
    expect(response.headers['x-ignored-fields']).toBe('zeta');
    expect(task().long_document).toBe('truncate');
    expect((await post('/rerank', { query: 'q' })).json()).toMatchObject({ code: 'invalid_request', errors: [{ pointer: '/documents' }] });
  });

  it('answers a body with texts as Text Embeddings Inference does, best first', async () => {
    const response = await post('/rerank', BODIES['/rerank']);
    expect(teiRerankResponseSchema.parse(response.json())).toEqual([
      { index: 1, score: sigmoid(15) },
      { index: 2, score: sigmoid(8) },
      { index: 0, score: sigmoid(-1) },
    ]);
    expect(response.body).not.toContain('"text"');
    expect(task()).toMatchObject({ documents: TEXTS, long_document: 'truncate' });
  });

  it('gives logits and texts where they are asked for', async () => {
    const response = await post('/rerank', { query: 'q', texts: TEXTS, raw_scores: true, return_text: true, truncate: false });
    expect(response.json()).toEqual([
      { index: 1, score: 15, text: TEXTS[1] },
      { index: 2, score: 8, text: TEXTS[2] },
      { index: 0, score: -1, text: TEXTS[0] },
    ]);
    expect(task().long_document).toBe('error');
  });

  it.each<[object, number, string]>([
    [{ query: 'q', texts: [] }, 400, 'Empty'],
    [{ query: 'q', texts: ['a', 5] }, 422, 'Validation'],
    [{ texts: ['a'] }, 422, 'Validation'],
    [{ query: 'q', texts: ['a'], truncation_direction: 'left' }, 422, 'Validation'],
    [{ query: 'q', texts: Array(6).fill('a') }, 413, 'Validation'],
  ])('refuses %j in that form', async (payload, status, type) => {
    const response = await post('/rerank', payload);
    expect(response.statusCode).toBe(status);
    expect(teiErrorSchema.strict().parse(response.json()).error_type).toBe(type);
  });

  it.each<[RerankError, number, string]>([
    [new RerankError('overloaded', 'Later.', { retryAfterS: 4 }), 429, 'Overloaded'],
    [new RerankError('query_too_long', 'Long.'), 413, 'Validation'],
    [new RerankError('model_unavailable', 'None.'), 503, 'Unhealthy'],
    [new RerankError('score_not_finite', 'NaN.'), 424, 'Backend'],
  ])('passes on what the dispatcher says: %#', async (error, status, type) => {
    failWith(error);
    const response = await post('/rerank', BODIES['/rerank']);
    expect(response.statusCode).toBe(status);
    expect(response.json()).toEqual({ error: error.detail, error_type: type });
    expect(response.headers['retry-after']).toBe(error.retryAfterS === undefined ? undefined : '4');
  });

  it('answers a problem where the body was not read', async () => {
    const headers = { 'content-type': 'application/json' };
    const response = await api.inject({ method: 'POST', url: '/rerank', headers, payload: '{"texts": [' });
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ code: 'invalid_request', message: expect.stringContaining('not valid JSON') as string });
  });
});

describe('GET /info', () => {
  it('describes the default reranker', async () => {
    const response = await api.inject({ url: '/info' });
    expect(teiInfoSchema.strict().parse(response.json())).toMatchObject({
      model_id: RERANKER.name,
      model_sha: RERANKER.sha256,
      model_dtype: 'int8',
      max_input_length: 512,
      max_client_batch_size: 5,
    });
  });

  it('is unhealthy where there is none', async () => {
    api.fleet.workers = [];
    const response = await api.inject({ url: '/info' });
    expect(response.statusCode).toBe(503);
    expect(teiErrorSchema.strict().parse(response.json()).error_type).toBe('Unhealthy');
  });
});

describe('POST /v1/voyage/rerank', () => {
  it('answers as Voyage does', async () => {
    const response = await post('/v1/voyage/rerank', {
      model: RERANKER.name,
      query: 'q',
      documents: TEXTS,
      top_k: 1,
      return_documents: true,
    });
    const body = voyageRerankResponseSchema.parse(response.json());
    expect(response.json()).toEqual(body);
    expect(body).toEqual({
      object: 'list',
      data: [{ index: 1, relevance_score: sigmoid(15), document: TEXTS[1] }],
      model: RERANKER.name,
      usage: { total_tokens: 52 },
    });
  });

  it('refuses long documents where truncation is off, in its own words', async () => {
    failWith(new RerankError('pair_too_long', 'Long.', { errors: [{ pointer: '/documents/1', detail: 'has more than 9 tokens' }] }));
    const response = await post('/v1/voyage/rerank', { query: 'q', documents: TEXTS, truncation: false });
    expect(task().long_document).toBe('error');
    expect(response.statusCode).toBe(422);
    expect(response.json()).toEqual({ detail: expect.stringMatching(/^\/documents\/1: .*"truncation": true\.$/) as string });
  });

  it.each<[object, number]>([
    [{ query: 'q' }, 400],
    [{ query: 'q', documents: ['a'], top_k: 0 }, 400],
    [{ query: 'q', documents: ['a'], model: 'no-such' }, 404],
  ])('refuses %j in Voyage’s form', async (payload, status) => {
    const response = await post('/v1/voyage/rerank', payload);
    expect(response.statusCode).toBe(status);
    expect(voyageErrorSchema.strict().safeParse(response.json()).success).toBe(true);
  });
});

describe('model names of other services', () => {
  it.each(['rerank-v3.5', 'jina-reranker-v2-base-multilingual', 'rerank-2.5'])('%s is the default reranker', async (model) => {
    expect((await post('/v1/rerank', { model, query: 'q', documents: ['a'] })).json().model).toBe(RERANKER.name);
    expect((await post('/v2/rerank', { model, query: 'q', documents: ['a'] })).statusCode).toBe(200);
  });
});
