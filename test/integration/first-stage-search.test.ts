import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fillSearchEngine, OPTIONS } from '../conformance/search-engine-fixtures.js';
import { answering, ScriptedServer } from '../support/scripted-server.js';
import { SEARCH_ENGINES, searchEngineUrl } from '../support/search-engines.js';
import { startTestStack, type TestStack } from '../support/stack.js';
import { writeTinyModel } from '../support/tiny-models/index.js';

const TEXTS = ['prune apple tree', 'apple pie', 'the stock price', 'winter tree', 'how to prune', 'price of pie'];
const CANDIDATES = TEXTS.map((text, at) => ({ document_id: `d${at}`, text, score: 10 - at, title: `title ${at}`, metadata: { at } }));
const HITS = TEXTS.map((text, at) => ({ _index: 'garden', _id: `d${at}`, _score: 10 - at, _source: { body: text, at } }));

let folder: string;
let http: ScriptedServer;
let engine: ScriptedServer;
let stack: TestStack;

beforeAll(async () => {
  [folder, http, engine] = await Promise.all([
    mkdtemp(join(tmpdir(), 'rerank-first-stage-')),
    ScriptedServer.start(),
    ScriptedServer.start(),
  ]);
  const [reranker, embedder] = [join(folder, 'tiny-reranker'), join(folder, 'tiny-embedder')];
  await writeTinyModel(reranker, { kind: 'cross-encoder', layout: 'bert' });
  await writeTinyModel(embedder, { kind: 'embedder', layout: 'bert' });
  stack = await startTestStack({
    environment: {
      RERANK_MODELS: reranker,
      EMBEDDING_MODEL: embedder,
      RETRIEVERS: JSON.stringify([
        { name: 'mine', kind: 'http', url: `${http.url}/retrieve`, api_key: 'key-of-mine' },
        { name: 'es', kind: 'elasticsearch', url: engine.url, indices: ['garden'] },
        { name: 'theirs', kind: 'http', url: http.url, tenants: ['acme'] },
        ...SEARCH_ENGINES.flatMap((kind) => {
          const url = searchEngineUrl(kind);
          return url === undefined ? [] : [{ name: kind, kind, url, tenants: ['default'] }];
        }),
      ]),
    },
  });
});
afterAll(async () => {
  await stack.stop();
  await Promise.all([http.stop(), engine.stop(), rm(folder, { recursive: true })]);
});
beforeEach(() => {
  http.requests.length = 0;
  engine.requests.length = 0;
  http.answers = [answering(200, { candidates: CANDIDATES })];
  engine.answers = [answering(200, { timed_out: false, _shards: { failed: 0 }, hits: { hits: HITS } })];
});

const put = (corpus: string, settings: object): Promise<Response> =>
  fetch(`${stack.url}/v1/corpora/${corpus}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(settings),
  });
const bodyOf = async (response: Response): Promise<Record<string, unknown>> => (await response.json()) as Record<string, unknown>;

describe('a corpus whose documents are elsewhere', () => {
  it('is made, searched and reranked, over HTTP', async () => {
    const source = { connection: 'mine', options: { embed_query: true, filters: true } };
    const made = await put('far', { source });
    expect(made.status).toBe(201);
    expect(await bodyOf(made)).toMatchObject({ settings: { source }, documents: 0 });
    expect((await put('far', { source: { connection: 'mine', options: { filters: true, embed_query: true } } })).status).toBe(200);
    expect(await bodyOf(await put('far', { source: { connection: 'mine', options: {} } }))).toMatchObject({ code: 'invalid_request' });

    const filter = { must: [{ key: 'at', match: { value: 1 } }] };
    const found = await stack.client.search({ corpus: 'far', query: 'prune tree', top_k: 6, top_n: 6, filter });
    expect(http.requests).toMatchObject([
      {
        path: '/retrieve',
        headers: { authorization: 'Bearer key-of-mine', 'x-request-id': expect.any(String) as string },
        body: { query: 'prune tree', mode: 'hybrid', top_k: 6, corpus: 'far', tenant: 'default', filter },
      },
    ]);
    const vector = http.requests[0]?.body['vector'] as number[];
    expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
    expect(found.results.map(({ logit }) => logit)).toEqual(found.results.map(({ logit }) => logit).toSorted((a, b) => b! - a!));
    for (const { document_id: id, passage, first_stage: first, metadata, title } of found.results) {
      const at = Number(id.slice(1));
      expect({ passage, first, metadata, title }).toEqual({
        passage: { index: 0, start: 0, end: TEXTS[at]!.length, text: TEXTS[at] },
        first: { score: 10 - at, rank: at + 1 },
        metadata: { at },
        title: `title ${at}`,
      });
    }
    const asked = await stack.client.rerank({ query: 'prune tree', documents: CANDIDATES.map(({ title, text }) => `${title} ${text}`) });
    expect(found.results.map(({ document_id: id }) => id)).toEqual(asked.results.map(({ index }) => `d${index}`));
  });

  it('gives the order of an index elsewhere, and is run as a batch like any other', async () => {
    expect((await put('index', { source: { connection: 'es', options: { index: 'garden', text_field: 'body' } } })).status).toBe(201);
    const plain = await stack.client.search({ corpus: 'index', query: 'apple', rerank: false, top_n: 6 });
    expect(plain.results.map(({ document_id: id }) => id)).toEqual(CANDIDATES.map(({ document_id: id }) => id));
    expect(engine.requests.map(({ path }) => path)).toEqual(['/garden/_search?allow_partial_search_results=false&timeout=10000ms']);

    const submitted = await fetch(`${stack.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ requests: [{ custom_id: 'one', corpus: 'index', query: 'apple', top_n: 2 }] }),
    });
    const job = await bodyOf(submitted);
    await expect
      .poll(async () => (await bodyOf(await fetch(`${stack.url}/v1/jobs/${String(job['id'])}`)))['status'], { timeout: 20_000 })
      .toBe('completed');
    const lines = await (await fetch(`${stack.url}/v1/jobs/${String(job['id'])}/results`)).text();
    expect(JSON.parse(lines.trim())).toMatchObject({ custom_id: 'one', status: 'succeeded', result: { results: [{}, {}] } });
  });

  it('tells what is wrong with a source where it is made', async () => {
    const faults = async (source: object): Promise<unknown> => (await bodyOf(await put('wrong', { source })))['errors'];
    expect(await faults({ connection: 'theirs' })).toEqual([
      { pointer: '/source/connection', detail: expect.stringMatching(/^must be one of "mine", "es"(?!.*theirs)/) as string },
    ]);
    expect(await faults({ connection: 'es', options: { index: 'other', text_field: 'body' } })).toEqual([
      { pointer: '/source/options/index', detail: 'must fit one of "garden"' },
    ]);
    expect(await faults({ connection: 'es', options: { index: 'garden', text_field: '*', url: 'http://elsewhere' } })).toHaveLength(2);
    expect((await fetch(`${stack.url}/v1/corpora/wrong`)).status).toBe(404);
    expect(http.requests).toEqual([]);
    expect(engine.requests).toEqual([]);
  });

  it('passes on what the first stage makes of a search', async () => {
    await put('far', { source: { connection: 'mine', options: { embed_query: true, filters: true } } });
    const code = async (): Promise<unknown> => {
      const response = await fetch(`${stack.url}/v1/search`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ corpus: 'far', query: 'apple' }),
      });
      return [response.status, (await bodyOf(response))['code']];
    };
    http.answers = [answering(500, {})];
    expect(await code()).toEqual([503, 'candidate_store_unavailable']);
    http.requests.length = 0;
    http.answers = [answering(400, { message: 'no' })];
    expect(await code()).toEqual([400, 'invalid_request']);
    expect(stack.said()).not.toContain('key-of-mine');
  });

  it.for(SEARCH_ENGINES)('is searched and reranked on a real cluster of %s', async (engine, context) => {
    const url = searchEngineUrl(engine);
    context.skip(url === undefined, `${engine.toUpperCase()}_URL is not set: nothing ran against a real cluster`);
    await fillSearchEngine(engine, url!);
    const options = { ...OPTIONS, filter_fields: { tags: 'tags.exact' } };
    expect((await put(engine, { source: { connection: engine, options } })).status).toBe(201);
    const filter = { must: [{ key: 'tags', match: { value: 'fruit' } }] };
    const { results } = await stack.client.search({ corpus: engine, query: 'apple winter', filter });
    expect(results.map(({ document_id: id }) => id).toSorted()).toEqual(['apple-pie', 'apple-pruning', 'winter-store']);
    expect(results.map(({ logit }) => logit)).toEqual(results.map(({ logit }) => logit).toSorted((a, b) => b! - a!));
    expect(results.map(({ first_stage: first }) => first.rank).toSorted()).toEqual([1, 2, 3]);
  });

  it('is deleted without a word to the other side', async () => {
    await put('brief', { source: { connection: 'mine', options: {} } });
    expect((await fetch(`${stack.url}/v1/corpora/brief`, { method: 'DELETE' })).status).toBe(204);
    expect(http.requests).toEqual([]);
  });
});
