import { RerankApiError } from '@rerank-fleet/client';
import type { SearchResponse } from '@rerank-fleet/client';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.js';
import { expectProblem } from './problem.js';

const sample = (name: string): URL => new URL(`../../samples/${name}`, import.meta.url);

interface SampleQuery {
  readonly query: string;
  readonly relevant: readonly string[];
}

interface SampleDocument {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly metadata: { readonly topic: string; readonly lang: string; readonly year: number };
}

let stack: TestStack;
let queries: readonly SampleQuery[];
let documents: ReadonlyMap<string, SampleDocument>;

const headline = (): SampleQuery => queries[0]!;
const ids = ({ results }: SearchResponse): string[] => results.map((result) => result.document_id);
const topicOf = (id: string): string => documents.get(id)!.metadata.topic;

beforeAll(async () => {
  stack = await startTestStack();
  queries = JSON.parse(await readFile(sample('queries.json'), 'utf8')) as SampleQuery[];
  const lines = (await readFile(sample('everyday.jsonl'), 'utf8')).trim().split('\n');
  documents = new Map(lines.map((line) => JSON.parse(line) as SampleDocument).map((document) => [document.id, document]));
  await stack.client.putCorpus('everyday', { fields: { topic: 'keyword', year: 'integer' } });
  const upload = await fetch(`${stack.url}/v1/corpora/everyday/documents?wait=true`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: await readFile(sample('everyday.jsonl')),
  });
  expect(upload.status).toBe(200);
  expect(await upload.json()).toMatchObject({
    status: 'completed',
    request_counts: { total: 100, processing: 0, succeeded: 100, errored: 0 },
    errors: [],
  });
});

afterAll(() => stack.stop());

describe('a corpus', () => {
  it('is described with its settings and counts', async () => {
    const corpus = await stack.client.getCorpus('everyday');
    expect(corpus).toMatchObject({ name: 'everyday', version: 1, documents: 100, settings: { embedding_model: 'bge-small-en-v1.5' } });
    expect(corpus.passages).toBeGreaterThanOrEqual(100);
    expect((await stack.client.listCorpora()).map(({ name }) => name)).toContain('everyday');
  });

  it('gives back a document as it was sent', async () => {
    const [id] = headline().relevant;
    expect(await stack.client.getDocument('everyday', id!)).toEqual(documents.get(id!));
  });

  it('answers 201 when it is made, and 200 when it is there', async () => {
    const put = (): Promise<Response> =>
      fetch(`${stack.url}/v1/corpora/twice`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{}' });
    expect([(await put()).status, (await put()).status]).toEqual([201, 200]);
    await stack.client.deleteCorpus('twice');
  });

  it('stores a document once however often it is sent', async () => {
    await stack.client.putCorpus('repeats');
    const document = { text: 'The same words.' };
    await stack.client.ingest('repeats', [document], { wait: true });
    await stack.client.ingest('repeats', [document, document], { wait: true });
    expect(await stack.client.getCorpus('repeats')).toMatchObject({ documents: 1, passages: 1 });
    await stack.client.deleteCorpus('repeats');
  });

  it('finds the new text of a document that was replaced, and not the old one', async () => {
    await stack.client.putCorpus('edits');
    await stack.client.ingest('edits', [{ id: 'a', text: 'Zebras graze on the plain.' }], { wait: true });
    await stack.client.ingest('edits', [{ id: 'a', text: 'Walruses rest on the ice.' }], { wait: true });
    const find = (query: string) => stack.client.search({ corpus: 'edits', query, mode: 'sparse', rerank: false });
    expect(ids(await find('zebras'))).toEqual([]);
    expect(ids(await find('walruses'))).toEqual(['a']);
    await stack.client.deleteCorpus('edits');
  });

  it('loses a deleted document at once', async () => {
    await stack.client.putCorpus('deletes');
    const rows = ['red', 'green', 'blue'].map((colour) => ({ id: colour, text: `A ${colour} lamp.`, metadata: { colour } }));
    await stack.client.ingest('deletes', rows, { wait: true });
    await stack.client.deleteDocument('deletes', 'red');
    expect(ids(await stack.client.search({ corpus: 'deletes', query: 'red lamp' })).sort()).toEqual(['blue', 'green']);
    await expect(stack.client.getDocument('deletes', 'red')).rejects.toMatchObject({ code: 'document_not_found', status: 404 });
    await expect(stack.client.deleteDocument('deletes', 'red')).rejects.toMatchObject({ code: 'document_not_found' });
    const filter = { must: [{ key: 'colour', match: { value: 'blue' } }] };
    expect(await stack.client.deleteDocuments('deletes', { filter })).toBe(1);
    expect(ids(await stack.client.search({ corpus: 'deletes', query: 'red lamp' }))).toEqual(['green']);
    await stack.client.deleteCorpus('deletes');
  });

  it('is gone after its deletion, with its documents', async () => {
    await stack.client.putCorpus('short-lived');
    await stack.client.ingest('short-lived', [{ id: 'a', text: 'Here today.' }], { wait: true });
    await stack.client.deleteCorpus('short-lived');
    await expectProblem(await fetch(`${stack.url}/v1/corpora/short-lived`), { code: 'corpus_not_found', detail: /GET \/v1\/corpora/ });
    await expect(stack.client.search({ corpus: 'short-lived', query: 'today' })).rejects.toMatchObject({ code: 'corpus_not_found' });
    await expect(stack.client.deleteCorpus('short-lived')).rejects.toBeInstanceOf(RerankApiError);
    await stack.client.putCorpus('short-lived');
    expect(await stack.client.getCorpus('short-lived')).toMatchObject({ documents: 0, passages: 0 });
    await stack.client.deleteCorpus('short-lived');
  });
});

describe('search', () => {
  it.each(['hybrid', 'dense', 'sparse'] as const)('finds by %s retrieval, best first', async (mode) => {
    const found = await stack.client.search({ corpus: 'everyday', query: 'how to tune a bass', mode, top_k: 20, rerank: false });
    expect(ids(found)).toContain('bass-tuning');
    expect(found.results.map(({ first_stage: { rank } }) => rank)).toEqual(found.results.map((_, position) => position + 1));
    const scores = found.results.map(({ first_stage: { score } }) => score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    expect(found.model).toBeUndefined();
  });

  it('moves the relevant document of the headline query to rank 1 by reranking', async () => {
    const { query, relevant } = headline();
    const before = await stack.client.search({ corpus: 'everyday', query, top_k: 20, top_n: 20, rerank: false });
    const after = await stack.client.search({ corpus: 'everyday', query, top_k: 20, top_n: 20 });
    expect(ids(before).indexOf(relevant[0]!)).toBeGreaterThanOrEqual(3);
    expect(ids(after)[0]).toBe(relevant[0]);
    expect(ids(after).toSorted()).toEqual(ids(before).toSorted());
    expect(after).toMatchObject({ corpus: 'everyday', version: 1, model: 'ms-marco-MiniLM-L-12-v2' });
    expect(after.results[0]!.first_stage.rank).toBe(ids(before).indexOf(relevant[0]!) + 1);
    expect(after.usage.prompt_tokens).toBeGreaterThan(20 * 10);
  });

  it('puts the relevant document of every sample query first', async () => {
    const firsts = await Promise.all(
      queries.map(async ({ query }) => ids(await stack.client.search({ corpus: 'everyday', query, top_k: 10, top_n: 1 }))[0]),
    );
    expect(firsts).toEqual(queries.map(({ relevant }) => relevant[0]));
  });

  it('says where the passage is, in code points of the text', async () => {
    const { query, relevant } = headline();
    const { results } = await stack.client.search({ corpus: 'everyday', query, top_k: 10, top_n: 1 });
    const { passage, title, metadata } = results[0]!;
    const stored = documents.get(relevant[0]!)!;
    expect(Array.from(stored.text).slice(passage.start, passage.end).join('')).toBe(passage.text);
    expect({ title, metadata }).toEqual({ title: stored.title, metadata: stored.metadata });
  });

  it('leaves texts out where they are not asked for', async () => {
    const { results } = await stack.client.search({ corpus: 'everyday', query: 'bread', top_k: 4, top_n: 2, return_documents: false });
    expect(results).toHaveLength(2);
    for (const result of results) expect(result.passage).not.toHaveProperty('text');
  });

  it.each([
    [
      'a value',
      { must: [{ key: 'topic', match: { value: 'gardening' } }] },
      (document: SampleDocument) => document.metadata.topic === 'gardening',
    ],
    [
      'one of several values',
      { must: [{ key: 'topic', match: { any: ['music', 'cooking'] } }] },
      (document: SampleDocument) => ['music', 'cooking'].includes(document.metadata.topic),
    ],
    ['a range', { must: [{ key: 'year', range: { gte: 2024 } }] }, (document: SampleDocument) => document.metadata.year >= 2024],
    [
      'clauses together',
      { must_not: [{ key: 'topic', match: { value: 'animals' } }], must: [{ key: 'year', range: { lt: 2020 } }] },
      (document: SampleDocument) => document.metadata.topic !== 'animals' && document.metadata.year < 2020,
    ],
  ])('keeps to a filter on %s, and finds all that it lets pass', async (_, filter, passes) => {
    const found = await stack.client.search({
      corpus: 'everyday',
      query: 'apples',
      filter,
      mode: 'dense',
      top_k: 200,
      top_n: 200,
      rerank: false,
    });
    const expected = [...documents.values()].filter(passes).map(({ id }) => id);
    expect(expected.length).toBeGreaterThan(0);
    expect(ids(found).toSorted()).toEqual(expected.toSorted());
  });

  it('gives a document once, or every passage, as group_by says', async () => {
    await stack.client.putCorpus('long', { chunking: { mode: 'sentences', max_tokens: 16, overlap_tokens: 0 } });
    const text = Array.from({ length: 6 }, (_, day) => `On day ${day + 1} the ferry sails to the northern islands at noon.`).join(' ');
    await stack.client.ingest('long', [{ id: 'timetable', text }], { wait: true });
    const search = (group_by: 'document' | 'none') => stack.client.search({ corpus: 'long', query: 'ferry to the islands', group_by });
    const passages = (await search('none')).results;
    expect(passages.length).toBeGreaterThan(1);
    expect(new Set(passages.map(({ passage }) => passage.index)).size).toBe(passages.length);
    const grouped = (await search('document')).results;
    expect(grouped.map(({ document_id }) => document_id)).toEqual(['timetable']);
    expect(grouped[0]!.passage.index).toBe(passages[0]!.passage.index);
    await stack.client.deleteCorpus('long');
  });

  it('explains logits and leaves out results under min_score', async () => {
    const { query } = headline();
    const all = await stack.client.search({ corpus: 'everyday', query, top_k: 12, top_n: 12, deterministic: true, explain: true });
    for (const { logit, relevance_score } of all.results) expect(relevance_score).toBeCloseTo(1 / (1 + Math.exp(-logit!)), 12);
    const good = await stack.client.search({ corpus: 'everyday', query, top_k: 12, top_n: 12, deterministic: true, min_score: 0.9 });
    expect(ids(good)).toEqual(ids(all).filter((_, position) => all.results[position]!.relevance_score! >= 0.9));
    expect(good.results.length).toBeLessThan(all.results.length);
  });

  it('answers many searches at once as it answers each alone', async () => {
    const ask = (query: string) =>
      stack.client.search({ corpus: 'everyday', query, top_k: 6, top_n: 6, deterministic: true, explain: true });
    const alone = [];
    for (const { query } of queries.slice(0, 4)) alone.push((await ask(query)).results);
    const together = await Promise.all(queries.slice(0, 4).map(async ({ query }) => (await ask(query)).results));
    expect(together).toEqual(alone);
    expect(topicOf(together[0]![0]!.document_id)).toBe('gardening');
  });
});

describe('the rest of the API', () => {
  it('lists the default models as the worker announced them', async () => {
    const models = await stack.client.listModels();
    expect(models).toEqual([
      expect.objectContaining({ id: 'ms-marco-MiniLM-L-12-v2', kind: 'cross-encoder', precision: 'int8', live_workers: 1, default: true }),
      expect.objectContaining({ id: 'bge-small-en-v1.5', kind: 'embedder', precision: 'int8', live_workers: 1, default: true }),
    ]);
  });

  it('is live and ready', async () => {
    expect(await stack.client.health()).toMatchObject({ status: 'ok' });
    expect(await (await fetch(`${stack.url}/health/live`)).json()).toEqual({ status: 'ok', checks: {} });
  });

  it('serves its documentation without anything from other hosts', async () => {
    const page = await fetch(`${stack.url}/docs`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    const html = await page.text();
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    const script = /src="([^"]+\.js)"/.exec(html)?.[1];
    expect(script).toBeDefined();
    expect((await fetch(new URL(script!, page.url))).status).toBe(200);
  });

  it('describes every route in OpenAPI, with the problem of its errors', async () => {
    const document = (await (await fetch(`${stack.url}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, unknown>;
      components: { schemas: Record<string, unknown> };
    };
    expect(document.openapi).toMatch(/^3\.1/);
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        '/v1/rerank',
        '/v1/search',
        '/v1/corpora/{name}',
        '/v1/corpora/{name}/documents',
        '/v1/models',
        '/v1/jobs/{id}',
      ]),
    );
    expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining(['Problem', 'SearchRequest', 'RerankResponse']));
  });

  it('gives a request id to every answer, and keeps the one it was given', async () => {
    const given = await fetch(`${stack.url}/v1/models`, { headers: { 'x-request-id': 'my-own-id-1' } });
    expect(given.headers.get('x-request-id')).toBe('my-own-id-1');
    const made = await fetch(`${stack.url}/v1/models`);
    expect(made.headers.get('x-request-id')).toMatch(/^\S{8,}$/);
  });
});
