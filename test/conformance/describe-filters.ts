import { beforeAll, describe, expect, test } from 'vitest';
import type { CorpusVersion, Filter } from '@rerank-fleet/core/domain';
import type { CandidateStore } from '@rerank-fleet/core/ports';
import { direction, tenDocuments, versionOf } from './store-fixtures.js';

/** Filter, and the numbers of the ten documents that pass. */
const FILTERS: readonly (readonly [string, Filter, readonly number[]])[] = [
  ['an empty filter', {}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ['empty lists', { must: [], should: [], must_not: [] }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ['match of a string, also in a list', { must: [{ key: 'lang', match: { value: 'en' } }] }, [0, 1, 7]],
  ['match of an integer', { must: [{ key: 'year', match: { value: 2003 } }] }, [3]],
  ['match of a boolean', { must: [{ key: 'in_stock', match: { value: false } }] }, [1]],
  ['match any', { must: [{ key: 'lang', match: { any: ['de', 'it'] } }] }, [2, 3, 7]],
  ['match any of integers', { must: [{ key: 'year', match: { any: [2000, 2008] } }] }, [0]],
  ['match except: not for a missing or null key', { must: [{ key: 'lang', match: { except: ['en', 'de'] } }] }, [4, 5, 7]],
  ['range of numbers: not for text', { must: [{ key: 'year', range: { gte: 2005, lt: 2010 } }] }, [5, 6, 7]],
  ['range of floats', { must: [{ key: 'price', range: { gt: 1.5, lte: 3.5 } }] }, [1, 2]],
  [
    'range of dates, with zones',
    { must: [{ key: 'published', range: { gte: '2020-02-01T00:00:00Z', lt: '2020-03-01T10:00:01Z' } }] },
    [1, 2],
  ],
  ['range of dates without time', { must: [{ key: 'published', range: { gt: '2020-03-31' } }] }, [3]],
  ['nested keys', { must: [{ key: 'meta.source', match: { value: 'wiki' } }] }, [0]],
  ['keys into list elements', { must: [{ key: 'items[].color', match: { value: 'green' } }] }, [5]],
  ['keys do not look into lists by themselves', { must: [{ key: 'items.color', match: { value: 'green' } }] }, []],
  ['is_empty: missing, null or an empty list', { must: [{ is_empty: { key: 'tags' } }] }, [2, 4, 5, 6, 7, 8, 9]],
  ['exists', { must_not: [{ is_empty: { key: 'tags' } }] }, [0, 1, 3]],
  ['is_null', { must: [{ is_null: { key: 'note' } }] }, [2, 4]],
  ['must and must_not', { must: [{ key: 'lang', match: { value: 'en' } }], must_not: [{ key: 'tags', match: { value: 'blue' } }] }, [0, 7]],
  [
    'should',
    {
      should: [
        { key: 'lang', match: { value: 'fr' } },
        { key: 'year', range: { lte: 2000 } },
      ],
    },
    [0, 4, 5],
  ],
  [
    'filters in filters',
    { must: [{ should: [{ key: 'lang', match: { value: 'de' } }, { must_not: [{ key: 'year', range: { lt: 2007 } }] }] }] },
    [2, 3, 7, 8, 9],
  ],
];

export function describeFilters(store: () => CandidateStore, freshTenant: () => string): void {
  describe('filters', () => {
    let version: CorpusVersion;
    beforeAll(async () => {
      version = versionOf(freshTenant());
      await store().createVersion(version);
      await store().writeDocuments(version, tenDocuments());
    });

    test.each(FILTERS)('%s', async (_, filter, expected) => {
      const found = await store().retrieve(version, { mode: 'dense', dense: direction(0), limit: 20, filter });
      expect(found.map((candidate) => candidate.documentId)).toEqual(expected.map((n) => `d${String(n)}`));
      expect(await store().countPassages(version, filter)).toBe(expected.length);
    });
  });
}
