import { Bm25Encoder } from '@rerank-fleet/core/retrieval';
import { describe, expect, it } from 'vitest';
import { corpusLists } from './corpus-lists.js';

const rules = {
  chunking: { mode: 'none', maxTokens: 256, overlapTokens: 0 },
  bm25: { k1: 0.9, b: 0.4, averageLength: 8, language: 'english', termHash: 'murmur3-32' },
} as const;
const encoder = new Bm25Encoder(rules.bm25);
/** One passage a document, as `none` cuts. */
const cutDocuments = (documents: readonly { readonly text: string }[]) =>
  Promise.resolve(
    documents.map(({ text }) => ({ passages: [{ index: 0, start: 0, end: text.length, text }], bm25: [encoder.encodePassage(text)] })),
  );
const COLOURS = ['red', 'green', 'blue', 'black', 'white'];
const THINGS = ['apple', 'ladder', 'river', 'castle', 'engine', 'violin', 'harbour'];
const documents = Array.from({ length: 350 }, (_, at) => ({
  text: `The ${THINGS[at % 7]!} number ${at} is painted ${COLOURS[at % 5]!} and stands beside a ${THINGS[(at + 3) % 7]!}.`,
}));

describe(corpusLists, () => {
  const pairsOf = (lists: readonly { readonly documents: readonly string[] }[]): number =>
    lists.reduce((sum, list) => sum + list.documents.length, 0);

  it('makes queries of the passages, and no more pairs than are asked for', async () => {
    for (const limit of [100, 400, 3000]) {
      const lists = await corpusLists({ documents, queries: [] }, { limit, rules, cutDocuments });
      expect(pairsOf(lists)).toBeLessThanOrEqual(limit);
      expect(pairsOf(lists)).toBeGreaterThan(limit / 4);
      expect(lists.some((list) => list.documents.length >= 20)).toBe(true);
      expect(new Set(lists.map(({ query }) => query)).size).toBeGreaterThan(3);
    }
  });

  it('takes the queries that are given, with the best passages for each first', async () => {
    const queries = ['red castle', 'blue violin', 'unheard-of', 'black river', 'white harbour', 'green ladder'];
    const lists = await corpusLists({ documents, queries }, { limit: 400, rules, cutDocuments });
    expect(lists.map(({ query }) => query).toSorted()).toEqual(queries.filter((query) => query !== 'unheard-of').toSorted());
    for (const { query, documents: found } of lists) for (const word of query.split(' ')) expect(found[0]).toContain(word);
    expect(pairsOf(lists)).toBeLessThanOrEqual(400);
  });

  it('puts the title of a document before each of its passages, as a search does', async () => {
    const titled = documents.map(({ text }, at) => ({ title: `Report ${at}`, text }));
    const lists = await corpusLists({ documents: titled, queries: ['red castle'] }, { limit: 50, rules, cutDocuments });
    expect(lists[0]!.documents[0]).toMatch(/^Report \d+ The /);
  });
});
