import { sigmoid } from '@rerank-fleet/core/domain';
import {
  corpusSchema,
  rerankResponseSchema,
  searchResponseSchema,
  type RerankOutcome,
  type RerankTask,
  type SearchOutcome,
  type SearchTask,
  type StageBody,
} from '@rerank-fleet/core/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announcement, corpusRecord, EMBEDDER, LIGHT, RERANKER } from '../support/fleet-fixtures.js';
import { startTestApi, type TestApi } from './api-support.js';

const STAGES: StageBody[] = [{ model: LIGHT.name, keep: 4 }, { model: RERANKER.name }];
const PINNED = [{ model: LIGHT, keep: 4 }, { model: RERANKER }];
const [reranker, embedder] = announcement().models as [AnnouncedModel, AnnouncedModel];
type AnnouncedModel = ReturnType<typeof announcement>['models'][number];
const light: AnnouncedModel = { ...reranker, ...LIGHT };

let api: TestApi;
beforeEach(async () => {
  api = await startTestApi({ SYNC_TIMEOUT_MS: '2000', MODEL_ALIASES: JSON.stringify({ quick: LIGHT.name }) });
  api.fleet.workers = [announcement({ models: [reranker, light, embedder] })];
});
afterEach(() => api.close());

const send = (method: 'POST' | 'PUT', url: string, payload: object) => api.inject({ method, url, payload });
const rerank = (fields: object) => send('POST', '/v1/rerank', { query: 'q', documents: ['a', 'b', 'c', 'd', 'e'], ...fields });
const search = (fields: object = {}) => send('POST', '/v1/search', { corpus: 'manuals', query: 'q', ...fields });
const task = () => api.fleet.calls.at(-1)?.body as RerankTask | SearchTask | undefined;

describe('POST /v1/rerank with stages', () => {
  it('pins the model of each stage, in one pool, and asks for no more than the last keep', async () => {
    const response = await rerank({ stages: STAGES });
    expect(response.statusCode).toBe(200);
    expect(task()).toMatchObject({ stages: PINNED, top_n: 4 });
    expect(task()).not.toHaveProperty('explain');
    await rerank({
      stages: [
        { model: 'quick', keep: 4 },
        { model: `hub/${RERANKER.name}`, keep: 2 },
      ],
      top_n: 1,
    });
    expect(task()).toMatchObject({ stages: [PINNED[0], { model: RERANKER, keep: 2 }], top_n: 1 });
  });

  it('tells how each result fared in each stage with explain', async () => {
    const stages = [
      { model: LIGHT.name, logit: 1, rank: 2 },
      { model: RERANKER.name, logit: 3, rank: 1 },
    ];
    api.fleet.answer = () =>
      ({
        kind: 'rerank',
        model: RERANKER.name,
        results: [{ index: 2, logit: 3, tokens: 5, truncated: false, stages }],
        prompt_tokens: 30,
        timings_ms: { queue: 1 },
      }) satisfies RerankOutcome;
    const body = rerankResponseSchema.parse((await rerank({ stages: STAGES, explain: true })).json());
    expect(task()?.explain).toBe(true);
    expect(body.results).toEqual([{ index: 2, relevance_score: sigmoid(3), logit: 3, tokens: 5, truncated: false, stages }]);
    expect(body).toMatchObject({ model: RERANKER.name, usage: { prompt_tokens: 30 } });
  });

  it.each([
    [{ stages: STAGES, model: RERANKER.name }, '/stages'],
    [{ stages: [] }, '/stages'],
    [{ stages: Array.from({ length: 9 }, () => ({ model: LIGHT.name, keep: 1 })) }, '/stages'],
    [{ stages: [{ model: LIGHT.name }, { model: RERANKER.name }] }, '/stages/0/keep'],
    [
      {
        stages: [
          { model: LIGHT.name, keep: 3 },
          { model: RERANKER.name, keep: 4 },
        ],
      },
      '/stages/1/keep',
    ],
    [{ stages: [{ model: LIGHT.name, keep: 0 }, { model: RERANKER.name }] }, '/stages/0/keep'],
    [{ stages: [{ model: LIGHT.name, keep: 2, depth: 5 }, { model: RERANKER.name }] }, '/stages/0/depth'],
    [{ stages: STAGES, top_n: 5 }, '/top_n'],
    [
      {
        stages: [
          { model: LIGHT.name, keep: 4 },
          { model: RERANKER.name, keep: 2 },
        ],
        top_n: 3,
      },
      '/top_n',
    ],
  ])('refuses %j', async (fields, pointer) => {
    const response = await rerank(fields);
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ code: 'invalid_request', errors: [{ pointer }] });
    expect(api.fleet.calls).toEqual([]);
  });

  it('takes eight stages, and the same model twice', async () => {
    const stages = Array.from({ length: 8 }, (_, at) => ({ model: at < 7 ? LIGHT.name : RERANKER.name, keep: 3 }));
    expect((await rerank({ stages })).statusCode).toBe(200);
    expect(task()?.stages).toHaveLength(8);
  });

  it('names the stage whose model nobody has', async () => {
    const response = await rerank({ stages: [{ model: LIGHT.name, keep: 4 }, { model: 'no-such' }] });
    expect(response.statusCode).toBe(404);
    expect(response.json()).toMatchObject({
      code: 'model_not_found',
      detail: expect.stringMatching(/"no-such".*stage 2 of the request.*"light-reranker", "tiny-reranker"/) as string,
      errors: [{ pointer: '/stages/1/model' }],
    });
  });

  it('says so where no one pool has all models', async () => {
    api.fleet.workers = [announcement(), announcement({ worker_id: 'other', pool: 'other', models: [light] })];
    const response = await rerank({ stages: STAGES });
    expect(response.statusCode).toBe(503);
    expect(response.json()).toMatchObject({
      code: 'model_unavailable',
      detail: expect.stringMatching(/^No pool has all .*"light-reranker", "tiny-reranker"/) as string,
    });
  });
});

describe('POST /v1/search with stages', () => {
  beforeEach(async () => {
    const ref = { tenant: 'default', corpus: 'manuals' };
    await api.fleet.documents.createCorpus(corpusRecord(ref));
    await api.fleet.documents.putDocuments(ref, [
      { id: 'a', text: 'first', seq: 1 },
      { id: 'b', text: 'second', seq: 2 },
    ]);
  });

  it('pins the model of each stage beside the embedder, and cuts its default top_n to the last keep', async () => {
    expect((await search({ stages: STAGES })).statusCode).toBe(200);
    expect(task()).toMatchObject({ stages: PINNED, top_n: 4, top_k: 50 });
    await search({ stages: STAGES, top_n: 2, context_tokens: 100 });
    expect(task()).toMatchObject({ top_n: 2 });
    await search({ stages: STAGES, context_tokens: 100 });
    expect(task()).toMatchObject({ top_n: 4 });
  });

  it('tells moves and the scores of each stage with explain', async () => {
    const result = (id: string, rank: number, logit: number): SearchOutcome['results'][number] => ({
      document_id: id,
      passage: { index: 0, start: 0, end: 1, text: 'x' },
      first_stage: { score: 1, rank },
      score: { logit, tokens: 7, truncated: false, stages: [{ model: RERANKER.name, logit, rank: 1 }] },
    });
    api.fleet.answer = () => ({
      kind: 'search',
      model: RERANKER.name,
      results: [result('b', 5, 3), result('a', 2, 1), result('c', 1, 0)],
      prompt_tokens: 21,
      timings_ms: { queue: 1 },
    });
    const explained = searchResponseSchema.parse((await search({ stages: STAGES, explain: true })).json());
    expect(explained.results.map(({ document_id: id, moved, stages }) => ({ id, moved, stages }))).toEqual([
      { id: 'b', moved: 4, stages: [{ model: RERANKER.name, logit: 3, rank: 1 }] },
      { id: 'a', moved: 0, stages: [{ model: RERANKER.name, logit: 1, rank: 1 }] },
      { id: 'c', moved: -2, stages: [{ model: RERANKER.name, logit: 0, rank: 1 }] },
    ]);
    const plain = (await search({ stages: STAGES })).json().results[0];
    expect(plain).not.toHaveProperty('moved');
    expect(plain).not.toHaveProperty('stages');
  });

  it.each([
    [{ stages: STAGES, model: RERANKER.name }, '/stages'],
    [{ stages: STAGES, rerank: false }, '/stages'],
    [{ stages: STAGES, top_n: 5 }, '/top_n'],
    [{ stages: [{ keep: 4 }] }, '/stages/0/model'],
  ])('refuses %j', async (fields, pointer) => {
    const response = await search(fields);
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ code: 'invalid_request', errors: [{ pointer }] });
  });

  it('needs all models in a pool that has the embedder too', async () => {
    api.fleet.workers = [announcement(), announcement({ worker_id: 'other', pool: 'other', models: [light, reranker] })];
    const response = await search({ stages: STAGES });
    expect(response.statusCode).toBe(503);
    expect(response.json()).toMatchObject({
      code: 'model_unavailable',
      detail: expect.stringMatching(new RegExp(`"light-reranker".*"${EMBEDDER.name}"`)) as string,
    });
    expect((await search({ stages: STAGES, mode: 'sparse' })).statusCode).toBe(200);
    expect(api.fleet.calls.at(-1)?.pool).toBe('other');
  });
});

describe('the stages of a corpus', () => {
  const put = (settings: object) => send('PUT', '/v1/corpora/manuals', settings);
  const stagesNow = async () => corpusSchema.parse((await api.inject({ url: '/v1/corpora/manuals' })).json()).settings.stages;

  it('are set, told, kept by other changes, and taken back by an empty list', async () => {
    expect((await put({})).statusCode).toBe(201);
    expect(await stagesNow()).toBeUndefined();
    expect(corpusSchema.parse((await put({ stages: STAGES })).json()).settings.stages).toEqual(STAGES);
    await put({ fields: {} });
    expect(await stagesNow()).toEqual(STAGES);
    await put({ stages: [] });
    expect(await stagesNow()).toBeUndefined();
  });

  it('are used by searches that name neither model nor stages; their keep cuts top_n', async () => {
    await put({ stages: STAGES });
    await search({ top_n: 9 });
    expect(task()).toMatchObject({ stages: PINNED, top_n: 4 });
    await search({ model: 'quick', top_n: 9 });
    expect(task()).toMatchObject({ stages: [{ model: LIGHT }], top_n: 9 });
    await search({ stages: [{ model: RERANKER.name }] });
    expect(task()).toMatchObject({ stages: [{ model: RERANKER }], top_n: 10 });
    await search({ rerank: false });
    expect(task()).not.toHaveProperty('stages');
  });

  it.each([
    [{ stages: [{ model: LIGHT.name }, { model: RERANKER.name }] }, 400, '/stages/0/keep'],
    [{ stages: [{ model: LIGHT.name, keep: 4 }, { model: 'no-such' }] }, 404, '/stages/1/model'],
  ])('are refused when they are set: %j', async (settings, status, pointer) => {
    const response = await put(settings);
    expect(response.statusCode).toBe(status);
    expect(response.json()).toMatchObject({ errors: [{ pointer }] });
    expect(api.fleet.calls).toEqual([]);
  });

  it('name the corpus where their model is gone', async () => {
    const record = corpusRecord({ tenant: 'default', corpus: 'manuals' });
    await api.fleet.documents.createCorpus({ ...record, settings: { ...record.settings, stages: [{ model: 'gone' }] } });
    const response = await search();
    expect(response.statusCode).toBe(404);
    expect(response.json()).toMatchObject({
      code: 'model_not_found',
      detail: expect.stringContaining('"gone", which stage 1 of the corpus asks for') as string,
    });
    expect(response.json().errors).toBeUndefined();
    expect((await search({ model: RERANKER.name })).statusCode).toBe(200);
  });
});
