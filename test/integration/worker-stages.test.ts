import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CorpusSettingsBody, CorpusTask, RerankTask, SearchTask, TaskStage } from '@rerank-fleet/core/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../support/tiny-models/index.js';
import { TENANT, WorkerStack } from './worker-support.js';

const DOCUMENTS = [
  'prune apple tree',
  'apple pie',
  'the stock price',
  'winter tree',
  'how to prune',
  'price of pie',
  'apple',
  'tree in winter',
];

let stack: WorkerStack;
let folder: string;
let light: TaskStage['model'];
let heavy: TaskStage['model'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rerank-stages-'));
  const models = [join(folder, 'light'), join(folder, 'heavy')] as const;
  await writeTinyModel(models[0], { kind: 'cross-encoder', layout: 'bert', seed: 21 });
  await writeTinyModel(models[1], { kind: 'cross-encoder', layout: 'roberta', seed: 22, maxLength: 96 });
  stack = await WorkerStack.start();
  await stack.startWorker({ RERANK_MODELS: models.join(',') });
  const [worker] = await stack.api.fleet.live();
  const pin = (name: string): TaskStage['model'] => {
    const model = worker?.models.find((candidate) => candidate.name === name);
    return { name, sha256: model?.sha256 ?? '' };
  };
  light = pin('light');
  heavy = pin('heavy');
});
afterAll(async () => {
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
});

const rerank = async (stages: TaskStage[], overrides: Partial<RerankTask> = {}) =>
  await stack.call(await stack.rerankBody(DOCUMENTS, { stages, deterministic: true, explain: true, ...overrides }));

describe('a worker with two rerankers', () => {
  it('gives the order of the last stage among what the first one kept', async () => {
    const first = await rerank([{ model: light }]);
    const second = await rerank([{ model: heavy }]);
    expect(first.results.map(({ index }) => index)).not.toEqual(second.results.map(({ index }) => index));

    const both = await rerank([{ model: light, keep: 4 }, { model: heavy }]);
    const kept = first.results.slice(0, 4);
    const expected = second.results.filter(({ index }) => kept.some((result) => result.index === index));
    expect(both.model).toBe('heavy');
    expect(both.results.map(({ index, logit }) => ({ index, logit }))).toEqual(expected.map(({ index, logit }) => ({ index, logit })));
    for (const [at, { index, stages }] of both.results.entries()) {
      const before = first.results.findIndex((result) => result.index === index);
      expect(stages).toEqual([
        { model: 'light', logit: first.results[before]?.logit, rank: before + 1 },
        { model: 'heavy', logit: both.results[at]?.logit, rank: at + 1 },
      ]);
    }
    const tokens = (results: typeof kept): number => results.reduce((sum, result) => sum + result.tokens, 0);
    expect(both.prompt_tokens).toBe(first.prompt_tokens + tokens(both.results));
  });

  it('answers requests that come together as if each were alone', async () => {
    const alone = await rerank([{ model: light, keep: 3 }, { model: heavy }], { explain: false });
    const together = await Promise.all(
      Array.from({ length: 12 }, () =>
        rerank(
          [
            { model: light, keep: 3 },
            { model: heavy, keep: 2 },
          ],
          { deterministic: false, explain: false },
        ),
      ),
    );
    for (const { results } of together) {
      expect(results.map(({ index }) => index)).toEqual(alone.results.slice(0, 2).map(({ index }) => index));
      expect(results[0]).not.toHaveProperty('stages');
    }
  });

  it('names a document that is too long for a later stage by its place in the request', async () => {
    const long = 'apple tree '.repeat(50);
    const documents = [...DOCUMENTS, long];
    const first = await rerank([{ model: light }], { documents, top_n: 9, long_document: 'error' });
    expect(first.results).toHaveLength(9);
    expect(first.results.at(-1)?.index).toBeLessThan(8);
    await expect(rerank([{ model: light, keep: 8 }, { model: heavy }], { documents, long_document: 'error' })).rejects.toMatchObject({
      code: 'pair_too_long',
      detail: expect.stringMatching(/^Document 8 .* heavy /) as string,
      errors: [{ pointer: '/documents/8' }],
    });
  });

  it('refuses a cascade of which it does not hold every model', async () => {
    await expect(rerank([{ model: light, keep: 2 }, { model: { name: 'gone', sha256: 'gone' } }])).rejects.toMatchObject({
      code: 'model_unavailable',
      detail: expect.stringContaining('gone') as string,
    });
  });
});

describe('a corpus with stages', () => {
  const put = (settings: CorpusSettingsBody) =>
    stack.call<CorpusTask>({ kind: 'corpus', corpus: 'garden', change: { op: 'put', settings } });
  const record = async () => (await stack.api.documentStore.findCorpus({ tenant: TENANT, corpus: 'garden' }))!;

  it('keeps them beside its index: they change without a reindex, stay when others change, and go with an empty list', async () => {
    const stages = [{ model: 'light', keep: 3 }, { model: 'heavy' }];
    expect(await put({ stages })).toMatchObject({ created: true });
    expect((await record()).settings.stages).toEqual(stages);
    await put({ fields: { lang: 'keyword' } });
    expect((await record()).settings).toMatchObject({ stages, fields: { lang: 'keyword' } });
    await put({ stages: [{ model: 'heavy', keep: 5 }] });
    const changed = await record();
    expect(changed.settings.stages).toEqual([{ model: 'heavy', keep: 5 }]);
    expect(changed.versions).toHaveLength(1);
    await put({ stages: [{ model: 'heavy', keep: 5 }] });
    expect((await record()).revision).toBe(changed.revision);
    await put({ stages: [] });
    expect((await record()).settings).not.toHaveProperty('stages');
  });

  it('is searched in stages, a document once', async () => {
    await put({});
    const { corpusId, versions } = await record();
    const documents = DOCUMENTS.map((text, index) => ({ id: `d${index}`, text }));
    await stack.finished(await stack.ingest({ name: 'garden', id: corpusId }, documents));
    const search: SearchTask = {
      kind: 'search',
      version: versions[0]!,
      query: 'prune apple tree',
      mode: 'dense',
      top_k: 8,
      top_n: 3,
      group_by: 'document',
      long_document: 'truncate',
      deterministic: true,
      explain: true,
    };
    const first = await stack.call({ ...search, top_n: 8, stages: [{ model: light }] });
    const both = await stack.call({ ...search, stages: [{ model: light, keep: 4 }, { model: heavy }] });
    expect(both.model).toBe('heavy');
    expect(both.results).toHaveLength(3);
    const kept = first.results.slice(0, 4).map(({ document_id: id }) => id);
    for (const { document_id: id, score } of both.results) {
      expect(kept).toContain(id);
      expect(score?.stages?.map(({ model }) => model)).toEqual(['light', 'heavy']);
    }
    const logits = both.results.map(({ score }) => score?.logit ?? Number.NaN);
    expect(logits).toEqual(logits.toSorted((a, b) => b - a));
  });
});
