import { openFirstStages } from '@rerank-fleet/core/adapters/external/open-first-stages';
import type { Candidate, Filter, JsonValue } from '@rerank-fleet/core/domain';
import type { FirstStage, FirstStageRequest } from '@rerank-fleet/core/ports';
import { compileFilter } from '@rerank-fleet/core/retrieval';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectionsOf, type SearchEngine } from '../support/search-engines.js';
import { GARDEN, INDEX, OPTIONS, SMALL_INDEX, versionOf } from './search-engine-fixtures.js';

export interface SearchEngineUnderTest {
  readonly engine: SearchEngine;
  /** Base of a cluster that holds the garden. */
  open(): Promise<{ readonly url: string; close(): Promise<void> }>;
}

const VECTOR = new Float32Array([0.96, 0.28, 0, 0]);
const SPARSE = { query: 'apple winter', mode: 'sparse', limit: 10 } as const;

const idsOf = (candidates: readonly Candidate[]): string[] => candidates.map(({ documentId }) => documentId);
const cosine = (vector: readonly number[]): number => vector.reduce((sum, value, at) => sum + value * VECTOR[at]!, 0);
const passing = (filter: Filter): string[] => {
  const passes = compileFilter(filter);
  return GARDEN.filter(({ metadata }) => passes(metadata)).map(({ id }) => id);
};

/** What an index of a cluster gives as a first stage; filters are held to what the stores of this service make of them. */
export function describeSearchEngine(title: string, { engine, open }: SearchEngineUnderTest): void {
  describe(title, () => {
    let server: Awaited<ReturnType<typeof open>>;
    let stage: FirstStage;
    beforeAll(async () => {
      server = await open();
      stage = openFirstStages(connectionsOf({ name: 'garden', kind: engine, url: server.url }));
    });
    afterAll(async () => {
      stage.close();
      await server.close();
    });

    const retrieve = (options: Readonly<Record<string, JsonValue>>, request: FirstStageRequest): Promise<readonly Candidate[]> =>
      stage.retrieve(versionOf(stage.settle('default', { connection: 'garden', options })), request);

    it('gives passages by BM25, with titles, metadata and no vectors', async () => {
      const found = await retrieve({ ...OPTIONS, vector_field: 'vector' }, SPARSE);
      expect(idsOf(found).toSorted()).toEqual(['apple-pie', 'apple-pruning', 'compost', 'winter-store']);
      expect(found.map(({ firstStage }) => firstStage.rank)).toEqual([1, 2, 3, 4]);
      const scores = found.map(({ firstStage }) => firstStage.score);
      expect(scores).toEqual(scores.toSorted((a, b) => b - a));
      const { metadata, title: _, text, id } = GARDEN.find((each) => each.id === found[0]?.documentId)!;
      expect(found[0]).toMatchObject({ documentId: id, passage: { index: 0, start: 0, end: Array.from(text).length, text }, metadata });
      expect(found.every((candidate) => !('vector' in (candidate.metadata ?? {})))).toBe(true);
    });

    it('counts code points, not halves of them', async () => {
      const [pond] = await retrieve(OPTIONS, { ...SPARSE, query: 'pond clay' });
      expect(pond?.passage).toMatchObject({ text: expect.stringContaining('🐸') as string, end: pond!.passage.text.length - 1 });
    });

    it('gives no more than asked for', async () => {
      const all = await retrieve(OPTIONS, SPARSE);
      expect(await retrieve(OPTIONS, { ...SPARSE, limit: 2 })).toEqual(all.slice(0, 2));
    });

    it('searches the fields that it is told, with their boosts', async () => {
      const query = 'winter leaves';
      const boosted = await retrieve({ ...OPTIONS, search_fields: ['name^50', 'body'] }, { ...SPARSE, query });
      expect(idsOf(boosted)[0]).toBe('winter-store');
      const titles = await retrieve({ ...OPTIONS, search_fields: ['name'] }, { ...SPARSE, query });
      expect(idsOf(titles)).toEqual(['winter-store']);
      const all = await retrieve(
        { ...OPTIONS, multi_match: { type: 'cross_fields', operator: 'and' } },
        { ...SPARSE, query: 'apple crust' },
      );
      expect(idsOf(all)).toEqual(['apple-pie']);
    });

    it('takes a query of the engine’s own, whatever the client searches for', async () => {
      const template = {
        bool: {
          must: [{ match: { body: { query: '{{query}}', operator: 'and' } } }],
          should: [{ constant_score: { filter: { term: { 'tags.exact': 'kitchen' } }, boost: 100 } }],
        },
      };
      const options = { ...OPTIONS, query_template: template };
      expect(idsOf(await retrieve(options, { ...SPARSE, query: 'apple' }))[0]).toBe('apple-pie');
      expect(
        idsOf(
          await retrieve(options, { ...SPARSE, query: 'apple', filter: { must: [{ key: 'year', match: { value: 2021 } }] } }),
        ).toSorted(),
      ).toEqual(['apple-pruning', 'winter-store']);
      const found = async (query: string): Promise<string[]> => idsOf(await retrieve(options, { ...SPARSE, query }));
      for (const query of ['apple "}}, {"match_all": {}}', 'apple \\" {{query}} $& $1', 'apple AND NOT ('])
        expect(await found(query)).toEqual([]);
      expect(await found('\u0000 "🐸"')).toEqual(['pond']);
    });

    it('gives nearest neighbours by the vector of the query', async () => {
      const found = await retrieve({ ...OPTIONS, vector_field: 'vector' }, { query: 'x', mode: 'dense', limit: 4, dense: VECTOR });
      const best = GARDEN.toSorted((a, b) => cosine(b.vector) - cosine(a.vector)).slice(0, 4);
      expect(idsOf(found)).toEqual(best.map(({ id }) => id));
      expect(
        await retrieve({ ...OPTIONS, vector_field: 'vector', num_candidates: 50 }, { query: 'x', mode: 'dense', limit: 4, dense: VECTOR }),
      ).toEqual(found);
    });

    it('looks for neighbours among those that pass the filter', async () => {
      const filter: Filter = { must: [{ key: 'evergreen', match: { value: true } }] };
      const found = await retrieve({ ...OPTIONS, vector_field: 'vector' }, { query: 'x', mode: 'dense', limit: 2, dense: VECTOR, filter });
      expect(idsOf(found)).toEqual(['compost', 'holly']);
    });

    it('fuses both lists by reciprocal rank', async () => {
      const options = { ...OPTIONS, vector_field: 'vector' };
      const request = { query: 'apple winter', limit: 4, dense: VECTOR };
      const [sparse, dense, hybrid] = await Promise.all(
        (['sparse', 'dense', 'hybrid'] as const).map((mode) => retrieve(options, { ...request, mode })),
      );
      const score = (id: string): number =>
        [sparse!, dense!].map((list) => idsOf(list).indexOf(id)).reduce((sum, rank) => sum + (rank < 0 ? 0 : 1 / (60 + rank)), 0);
      for (const { documentId, firstStage } of hybrid!) expect(firstStage.score).toBeCloseTo(score(documentId), 12);
      const either = [...new Set([...idsOf(sparse!), ...idsOf(dense!)])].toSorted((a, b) => score(b) - score(a));
      expect(hybrid!.map(({ firstStage }) => firstStage.score)).toEqual(
        either.slice(0, 4).map((id) => expect.closeTo(score(id), 12) as number),
      );
    });

    it('takes hybrid for the one list that there is, and refuses neighbours without vectors', async () => {
      expect(await retrieve(OPTIONS, { ...SPARSE, mode: 'hybrid' })).toEqual(await retrieve(OPTIONS, SPARSE));
      await expect(retrieve(OPTIONS, { ...SPARSE, mode: 'dense' })).rejects.toMatchObject({
        code: 'invalid_request',
        errors: [{ pointer: '/mode' }],
      });
    });

    const ALL = {
      ...OPTIONS,
      query_template: { dis_max: { queries: [{ match: { body: '{{query}}' } }, { match_all: {} }] } },
      filter_fields: { tags: 'tags.exact' },
    };
    const filters: readonly (readonly [string, Filter])[] = [
      ['a value of a list', { must: [{ key: 'tags', match: { value: 'fruit' } }] }],
      ['a number', { must: [{ key: 'year', match: { value: 2021 } }] }],
      ['a boolean', { must: [{ key: 'evergreen', match: { value: false } }] }],
      ['a nested key', { must: [{ key: 'author.name', match: { any: ['Ida', 'Sam'] } }] }],
      ['any number', { must: [{ key: 'year', match: { any: [2018, 2022, 1999] } }] }],
      ['all but some, where there is a value', { must: [{ key: 'author.name', match: { except: ['Noor'] } }] }],
      ['a range of numbers', { must: [{ key: 'price', range: { gt: 4, lte: 12.5 } }] }],
      ['a range of dates', { must: [{ key: 'published', range: { gte: '2020-06-30', lt: '2021-12-31T23:00:00Z' } }] }],
      ['the beginning of a day, not its end', { must: [{ key: 'published', range: { lte: '2019-11-20' } }] }],
      ['the very day', { must: [{ key: 'published', range: { gte: '2019-11-20', lt: '2019-11-21' } }] }],
      ['parts of a second, and zones', { must: [{ key: 'published', range: { gte: '2020-07-01T01:59:59.4+02:00' } }] }],
      ['what is empty', { must: [{ is_empty: { key: 'author.name' } }] }],
      ['what is null or an empty list', { should: [{ is_empty: { key: 'evergreen' } }, { is_empty: { key: 'tags' } }] }],
      ['what is not', { must_not: [{ key: 'tags', match: { value: 'fruit' } }, { is_empty: { key: 'price' } }] }],
      [
        'clauses in clauses',
        {
          must: [
            {
              should: [
                { key: 'year', range: { gte: 2022 } },
                { must: [{ key: 'tags', match: { value: 'fruit' } }], must_not: [{ key: 'year', match: { value: 2019 } }] },
              ],
            },
          ],
          should: [
            { key: 'evergreen', match: { value: true } },
            { key: 'price', range: { lt: 8 } },
          ],
        },
      ],
      ['what says nothing', { must: [], should: [] }],
    ];
    it.each(filters)('filters by %s as our own stores do', async (_, filter) => {
      expect(idsOf(await retrieve(ALL, { ...SPARSE, filter })).toSorted()).toEqual(passing(filter).toSorted());
    });

    it.each<readonly [string, Filter]>([
      ['a null', { must: [{ is_null: { key: 'evergreen' } }] }],
      ['one element of a list', { must: [{ key: 'tags[0]', match: { value: 'fruit' } }] }],
      ['fields by a pattern', { must: [{ is_empty: { key: '"*"' } }] }],
    ])('refuses to filter by %s, which it cannot say', async (_, filter) => {
      await expect(retrieve(ALL, { ...SPARSE, filter })).rejects.toMatchObject({
        code: 'invalid_request',
        errors: [{ pointer: '/filter' }],
      });
    });

    it('knows metadata by other names, and no other keys', async () => {
      const options = { ...OPTIONS, metadata_fields: { by: 'author.name', since: 'year' }, filter_fields: { topic: 'tags.exact' } };
      const filter: Filter = {
        must: [
          { key: 'by', match: { value: 'Ida' } },
          { key: 'topic', match: { value: 'tree' } },
        ],
      };
      expect((await retrieve(options, { ...SPARSE, filter })).map(({ metadata }) => metadata)).toEqual([{ by: 'Ida', since: 2021 }]);
      await expect(retrieve(options, { ...SPARSE, filter: { must: [{ is_empty: { key: 'price' } }] } })).rejects.toMatchObject({
        code: 'invalid_request',
        detail: expect.stringContaining('"price"') as string,
      });
    });

    it('takes ids and passage numbers from fields', async () => {
      const options = { ...OPTIONS, id_field: 'part.of', passage_index_field: 'part.number', metadata_fields: [] };
      const found = await retrieve(options, { ...SPARSE, query: 'holly' });
      expect(found).toMatchObject([{ documentId: 'the-garden-book', passage: { index: 2020 } }]);
      expect(found[0]).not.toHaveProperty('metadata');
    });

    it('says what is wrong with the source', async () => {
      await expect(retrieve({ ...OPTIONS, index: 'rf-first-stage-gone' }, SPARSE)).rejects.toMatchObject({ code: 'corpus_not_found' });
      await expect(retrieve({ ...OPTIONS, text_field: 'summary', search_fields: ['body'] }, SPARSE)).rejects.toMatchObject({
        code: 'invalid_request',
        detail: expect.stringContaining('"summary"') as string,
      });
      const dense = { query: 'x', mode: 'dense', limit: 3 } as const;
      await expect(retrieve({ ...OPTIONS, vector_field: 'vector' }, { ...dense, dense: new Float32Array([1, 0]) })).rejects.toMatchObject({
        code: 'invalid_request',
        detail: expect.stringMatching(/dimension/) as string,
      });
      const wrong = { range: { year: { gte: '{{query}}' } } };
      await expect(retrieve({ ...OPTIONS, query_template: wrong }, SPARSE)).rejects.toMatchObject({ code: 'invalid_request' });
    });

    it('names the window of the index where it is too small', async () => {
      const options = { ...OPTIONS, index: SMALL_INDEX };
      expect(await retrieve(options, { ...SPARSE, limit: 5 })).toHaveLength(4);
      await expect(retrieve(options, { ...SPARSE, limit: 6 })).rejects.toMatchObject({
        code: 'invalid_request',
        errors: [{ pointer: '/top_k', detail: expect.stringContaining(SMALL_INDEX) as string }],
      });
      expect(INDEX).not.toBe(SMALL_INDEX);
    });
  });
}
