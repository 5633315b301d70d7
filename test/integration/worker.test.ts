import type { CorpusTask, SearchTask } from '@rerank-fleet/core/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TINY_FAULTS } from '../support/tiny-models/index.js';
import { TENANT, WorkerStack } from './worker-support.js';

let stack: WorkerStack;

beforeEach(async () => {
  stack = await WorkerStack.start();
});
afterEach(() => stack.stop());

describe('a worker', () => {
  it('scores, orders and cuts the documents of a request', async () => {
    await stack.startWorker();
    const documents = ['the stock price of apple', 'how to prune the tree in winter', 'pie', 'x'.repeat(3_000)];
    const all = await stack.call(await stack.rerankBody(documents));
    expect(all.results.map(({ index }) => index).toSorted()).toEqual([0, 1, 2, 3]);
    expect(all.results.map(({ logit }) => logit)).toEqual(all.results.map(({ logit }) => logit).toSorted((a, b) => b - a));
    expect(all.prompt_tokens).toBe(all.results.reduce((sum, { tokens }) => sum + tokens, 0));
    const best = await stack.call(await stack.rerankBody(documents, { top_n: 1, deterministic: true }));
    expect(best.results.map(({ index }) => index)).toEqual([all.results[0]?.index]);
    expect(best.results[0]?.logit).toBeCloseTo(all.results[0]?.logit ?? Number.NaN, 4);
  });

  it('passes on what is wrong with a request, and goes on', async () => {
    const worker = await stack.startWorker();
    await expect(stack.call(await stack.rerankBody(['a'], { query: 'tree '.repeat(200) }))).rejects.toMatchObject({
      code: 'query_too_long',
    });
    await expect(stack.call(await stack.rerankBody([TINY_FAULTS.throws]))).rejects.toMatchObject({
      code: 'internal_error',
      detail: expect.not.stringMatching(/Gather|onnx/i) as string,
    });
    await worker.logged(({ err }) => /Gather/.test((err as { readonly cause?: string } | undefined)?.cause ?? ''));
    await expect(stack.call(await stack.rerankBody(['apple', TINY_FAULTS.notANumber]))).rejects.toMatchObject({
      code: 'score_not_finite',
      detail: expect.stringMatching(/^Document 1: /) as string,
      errors: [{ pointer: '/documents/1' }],
    });
    await expect(
      stack.call(await stack.rerankBody(['a'], { stages: [{ model: { name: 'other', sha256: 'other' } }] })),
    ).rejects.toMatchObject({
      code: 'model_unavailable',
    });
    expect((await stack.call(await stack.rerankBody(['apple']))).results).toHaveLength(1);
  });

  it('takes a body that is too large for the queue, and clears it away', async () => {
    await stack.startWorker();
    const outcome = await stack.call(
      await stack.rerankBody(Array.from({ length: 60 }, (_, index) => `tree ${index} ${'apple '.repeat(300)}`)),
    );
    expect(outcome.results).toHaveLength(60);
    await expect.poll(() => stack.keys('body')).toEqual([]);
  });

  it('makes a corpus, stores documents, and finds them', async () => {
    await stack.startWorker();
    expect(await stack.makeCorpus('garden')).toMatchObject({ created: true });
    const record = await stack.api.documentStore.findCorpus({ tenant: TENANT, corpus: 'garden' });
    const job = await stack.finished(
      await stack.ingest({ name: 'garden', id: record?.corpusId ?? '' }, [
        { id: 'tree', text: 'How to prune the apple tree in winter.' },
        { id: 'stock', text: 'The stock price fell.' },
      ]),
    );
    expect(job?.request_counts).toMatchObject({ total: 2, succeeded: 2, errored: 0 });
    const search: SearchTask = {
      kind: 'search',
      version: record!.versions[0]!,
      query: 'prune apple tree',
      mode: 'hybrid',
      top_k: 10,
      top_n: 5,
      group_by: 'document',
      long_document: 'truncate',
      deterministic: false,
    };
    const first = await stack.call(search);
    expect(first.results.map(({ document_id: id }) => id)).toContain('tree');
    expect(first.results[0]?.score).toBeUndefined();
    const reranked = await stack.call({ ...search, stages: [{ model: await stack.pin() }] });
    expect(reranked.results.map(({ score }) => typeof score?.logit)).toEqual(first.results.map(() => 'number'));
  });

  it('names the document that is too long for a search to score whole', async () => {
    await stack.startWorker();
    const settings = { chunking: { mode: 'none', max_tokens: 256, overlap_tokens: 0 } } as const;
    await stack.call<CorpusTask>({ kind: 'corpus', corpus: 'garden', change: { op: 'put', settings } });
    const record = (await stack.api.documentStore.findCorpus({ tenant: TENANT, corpus: 'garden' }))!;
    const documents = [
      { id: 'short', text: 'How to prune the apple tree.' },
      { id: 'long', text: 'How to prune the apple tree in winter. '.repeat(300) },
    ];
    await stack.finished(await stack.ingest({ name: 'garden', id: record.corpusId }, documents));
    const search: SearchTask = {
      kind: 'search',
      version: record.versions[0]!,
      query: 'prune apple tree',
      mode: 'hybrid',
      top_k: 10,
      top_n: 5,
      group_by: 'document',
      long_document: 'error',
      deterministic: false,
      stages: [{ model: await stack.pin() }],
    };
    await expect(stack.call(search)).rejects.toMatchObject({
      code: 'pair_too_long',
      detail: expect.stringContaining('"long"') as string,
      errors: [{ pointer: '/long_document', detail: expect.stringContaining('"long"') as string }],
    });
    expect((await stack.call({ ...search, long_document: 'chunk' })).results).toHaveLength(2);
  });

  it('ends a job whose corpus was deleted before its documents were stored', async () => {
    await stack.startWorker();
    await stack.makeCorpus('gone');
    const record = await stack.api.documentStore.findCorpus({ tenant: TENANT, corpus: 'gone' });
    await stack.call({ kind: 'corpus', corpus: 'gone', change: { op: 'delete' } });
    const job = await stack.finished(await stack.ingest({ name: 'gone', id: record?.corpusId ?? '' }, [{ id: 'a', text: 'apple' }]));
    expect(job).toMatchObject({ request_counts: { errored: 1 }, errors: [expect.objectContaining({ code: 'corpus_not_found' })] });
  });
});
