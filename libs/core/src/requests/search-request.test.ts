import { describe, expect, it } from 'vitest';
import { searchRequestSchema } from '../contracts/index.js';
import type { CorpusVersion, ExternalSource } from '../domain/index.js';
import { searchNeedsOf } from './search-request.js';

const version = (source?: ExternalSource): CorpusVersion => ({
  tenant: 't',
  corpus: 'c',
  version: 1,
  corpusId: 'i',
  embedder: { name: 'bge', sha256: 'ab', dimensions: 4 },
  chunking: { mode: 'none', maxTokens: 256, overlapTokens: 0 },
  bm25: { k1: 1.2, b: 0.75, averageLength: 100, language: 'english', termHash: 'murmur3-32' },
  fields: {},
  createdAt: 0,
  ...(source === undefined ? {} : { source }),
});
const elsewhere = (embed_query?: boolean): CorpusVersion =>
  version({ connection: 'es', options: embed_query === undefined ? {} : { embed_query } });
const embedderOf = (mode: 'hybrid' | 'dense' | 'sparse', of: CorpusVersion) =>
  searchNeedsOf(searchRequestSchema.parse({ corpus: 'c', query: 'q', mode }), of, undefined).embedder;
const EMBEDDER = { name: 'bge', sha256: 'ab' };

describe('searchNeedsOf', () => {
  it('needs the embedder of the corpus for vectors', () => {
    expect((['hybrid', 'dense', 'sparse'] as const).map((mode) => embedderOf(mode, version()))).toEqual([EMBEDDER, EMBEDDER, undefined]);
  });

  it('needs none for a source elsewhere that takes no vector from here', () => {
    for (const of of [elsewhere(), elsewhere(false)])
      expect((['hybrid', 'dense', 'sparse'] as const).map((mode) => embedderOf(mode, of))).toEqual([undefined, undefined, undefined]);
  });

  it('needs it for a source that takes one', () => {
    expect((['hybrid', 'dense', 'sparse'] as const).map((mode) => embedderOf(mode, elsewhere(true)))).toEqual([
      EMBEDDER,
      EMBEDDER,
      undefined,
    ]);
  });
});
