import type { SearchTask } from '@rerank-fleet/core/contracts';
import type { Candidate } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { CrossEncoder } from '@rerank-fleet/core/ports';
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
const BODY: SearchTask = {
  kind: 'search',
  stages: [{ model: { name: 'heavy', sha256: 'h' } }],
  version: versionOf('acme'),
  query: 'q',
  mode: 'sparse',
  top_k: 3,
  top_n: 3,
  group_by: 'document',
  long_document: 'truncate',
};
const CONTEXT = { taskId: 't', tenant: 'acme', requestId: 'r', queueMs: 0, signal: new AbortController().signal };

describe(searchTask, () => {
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
