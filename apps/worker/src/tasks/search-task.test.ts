import type { SearchTask } from '@rerank-fleet/core/contracts';
import type { Candidate } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { CrossEncoder, Embedder } from '@rerank-fleet/core/ports';
import { describe, expect, it } from 'vitest';
import { versionOf } from '../../../../test/conformance/store-fixtures.js';
import { Embedders } from '../pipeline/embedders.js';
import { PassageFault } from '../pipeline/point-at-request.js';
import { CrossEncoders } from './cross-encoders.js';
import { searchTask } from './search-task.js';

const CANDIDATES = ['a', 'b', 'c'].map((documentId, at): Candidate => ({
  documentId,
  passage: { index: 0, start: 0, end: 4, text: 'text' },
  firstStage: { score: 1, rank: at + 1 },
}));
const VERSION = versionOf('acme');
const BODY: SearchTask = {
  kind: 'search',
  stages: [{ model: { name: 'heavy', sha256: 'h' } }],
  version: VERSION,
  query: 'q',
  mode: 'sparse',
  top_k: 3,
  top_n: 3,
  group_by: 'document',
  long_document: 'truncate',
};
const CONTEXT = { taskId: 't', tenant: 'acme', requestId: 'r', queueMs: 0, signal: new AbortController().signal };

/** A first stage alone, over an embedder that says who asked it. */
function firstStage() {
  const asked: string[] = [];
  const embedder: Embedder = {
    ...VERSION.embedder,
    maxLength: 8,
    embed: ({ as, priority }) => {
      asked.push(`${as} ${priority}`);
      return Promise.resolve([new Float32Array(4)]);
    },
    countTokens: (texts, options) => {
      asked.push(`count ${String(options?.priority)}`);
      return Promise.resolve(texts.map((text) => text.length));
    },
  };
  const retrieval = {
    store: { retrieve: () => Promise.resolve(TITLED) },
    external: { retrieve: () => Promise.resolve([]) },
    embedders: new Embedders([{ names: [], embedder }]),
    encodeSparseQuery: () => ({ indices: new Uint32Array(), values: new Float32Array() }),
  };
  const scoring = { encoders: new CrossEncoders([]), deterministic: false, effort: 'full', cacheDocuments: false } as const;
  const { stages: _, ...body } = { ...BODY, mode: 'hybrid' as const };
  const search = searchTask(retrieval, scoring);
  return { asked, search: (change: Partial<SearchTask>, context = {}) => search({ ...body, ...change }, { ...CONTEXT, ...context }) };
}

const TITLED = ['a', 'b', 'c', 'd'].map((documentId, at): Candidate => ({
  documentId,
  // With title and space 10, 30, 20 and 10.
  title: 'Title',
  passage: { index: 0, start: 0, end: 4, text: 'x'.repeat([4, 24, 14, 4][at]!) },
  firstStage: { score: 1, rank: at + 1 },
}));

describe(searchTask, () => {
  it('packs the best passages, titles included, into a budget of tokens, and passes over what does not fit', async () => {
    const { search } = firstStage();
    const packed = async (context_tokens: number) => {
      const { results, context_tokens: tokens } = await search({ context_tokens, top_n: 4 });
      return [results.map(({ document_id: id }) => id).join(''), tokens];
    };
    expect(await packed(70)).toEqual(['abcd', 70]);
    expect(await packed(69)).toEqual(['abc', 60]);
    expect(await packed(40)).toEqual(['ab', 40]);
    expect(await packed(39)).toEqual(['ac', 30]);
    expect(await packed(25)).toEqual(['ad', 20]);
    expect(await packed(9)).toEqual(['', 0]);
    expect(await search({ top_n: 4 })).not.toHaveProperty('context_tokens');
  });

  it.each([
    ['a call', {}, 'sync'],
    ['a row of a batch job', { priority: 'batch' }, 'batch'],
  ])('embeds and counts behind whom it should: %s', async (_, context, priority) => {
    const { search, asked } = firstStage();
    await search({ context_tokens: 100 }, context);
    expect(asked).toEqual([`query ${priority}`, `count ${priority}`]);
  });

  it('names the document that the model fails on', async () => {
    const fault = new PassageFault(1, new RerankError('score_not_finite', 'No number.', { cause: 'why' }));
    const encoder: CrossEncoder = { name: 'heavy', sha256: 'h', score: () => Promise.reject(fault) };
    const retrieval = {
      store: { retrieve: () => Promise.resolve(CANDIDATES) },
      external: { retrieve: () => Promise.resolve([]) },
      embedders: new Embedders([{ names: [], embedder: {} as never }]),
      encodeSparseQuery: () => ({ indices: new Uint32Array(), values: new Float32Array() }),
    };
    const scoring = { encoders: new CrossEncoders([encoder]), deterministic: false, effort: 'full', cacheDocuments: false } as const;
    await expect(searchTask(retrieval, scoring)(BODY, CONTEXT)).rejects.toMatchObject({
      code: 'score_not_finite',
      detail: 'A passage of the document "b": No number.',
      errors: [],
      cause: 'why',
    });
  });
});
