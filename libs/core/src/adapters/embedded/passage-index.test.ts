import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SparseVector } from '../../domain/index.js';
import { PassageIndex, type PassageVectors } from './passage-index.js';

const DIMENSIONS = 5;

function sparse(terms: readonly number[]): SparseVector {
  const indices = Uint32Array.from(new Set(terms)).sort();
  return { indices, values: Float32Array.from(indices, (index) => 0.5 + (index % 3)) };
}

interface Put {
  readonly id: number;
  readonly passages: readonly { readonly dense: readonly number[]; readonly terms: readonly number[] }[];
}

/** A write, or a delete where there are no passages. */
const puts: fc.Arbitrary<Put> = fc.record({
  id: fc.integer({ min: 0, max: 12 }),
  passages: fc.array(
    fc.record({
      dense: fc.array(fc.integer({ min: -3, max: 3 }), { minLength: DIMENSIONS, maxLength: DIMENSIONS }),
      terms: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 6 }),
    }),
    { maxLength: 3 },
  ),
});

function apply(writes: readonly Put[]): { index: PassageIndex; living: PassageVectors[] } {
  const index = new PassageIndex(DIMENSIONS);
  const documents = new Map<number, PassageVectors[]>();
  let key = 0;
  for (const { id, passages } of writes) {
    const vectors = passages.map(({ dense, terms }) => ({ key: (key += 1), dense: Float32Array.from(dense), bm25: sparse(terms) }));
    documents.delete(id);
    if (vectors.length === 0) {
      index.delete(String(id));
    } else {
      documents.set(id, vectors);
      index.put(String(id), { parity: id % 2 }, vectors);
    }
  }
  return { index, living: [...documents.values()].flat() };
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return dot === 0 ? 0 : dot / (Math.hypot(...a) * Math.hypot(...b));
}

function bm25(query: SparseVector, passage: SparseVector, all: readonly PassageVectors[]): number {
  let score = 0;
  for (const [i, term] of query.indices.entries()) {
    const at = passage.indices.indexOf(term);
    const n = all.filter(({ bm25: { indices } }) => indices.includes(term)).length;
    if (at >= 0) score += query.values[i]! * passage.values[at]! * Math.log((all.length - n + 0.5) / (n + 0.5) + 1);
  }
  return score;
}

describe(PassageIndex.name, () => {
  test('dense search equals scoring every living passage, after any writes', () => {
    fc.assert(
      fc.property(fc.array(puts, { maxLength: 40 }), fc.integer({ min: 1, max: 8 }), (writes, limit) => {
        const { index, living } = apply(writes);
        const query = Float32Array.of(1, -2, 3, 0, 1);
        const expected = living.map(({ dense }) => cosine(query, dense)).sort((a, b) => b - a);
        const found = index.search({ mode: 'dense', dense: query, limit });
        expect(found).toHaveLength(Math.min(limit, living.length));
        for (const [i, { score }] of found.entries()) expect(score).toBeCloseTo(expected[i]!, 5);
        expect(index.size).toBe(living.length);
      }),
    );
  });

  test('sparse search equals scoring every living passage, after any writes', () => {
    fc.assert(
      fc.property(fc.array(puts, { maxLength: 40 }), fc.integer({ min: 1, max: 8 }), (writes, limit) => {
        const { index, living } = apply(writes);
        const query = sparse([1, 4, 7]);
        const scores = living
          .map(({ key, bm25: vector }) => ({ key, score: bm25(query, vector, living) }))
          .filter(({ score }) => score > 0);
        const expected = scores.sort((a, b) => b.score - a.score || a.key - b.key).slice(0, limit);
        const found = index.search({ mode: 'sparse', sparse: query, limit });
        expect(found).toHaveLength(expected.length);
        for (const [i, { score }] of found.entries()) expect(score).toBeCloseTo(expected[i]!.score, 5);
      }),
    );
  });

  test('memory of deleted passages comes back, and the search is the same after', () => {
    const index = new PassageIndex(DIMENSIONS);
    const at = (n: number) => ({ key: n, dense: Float32Array.of(1, n / 6000, 0, 0, 0), bm25: sparse([n % 10]) });
    for (let n = 0; n < 6000; n += 1) index.put(`d${String(n)}`, { n }, [at(n)]);
    for (let n = 0; n < 5000; n += 1) index.delete(`d${String(n)}`);
    expect(index.size).toBe(1000);
    expect(index.rows).toBeLessThan(2400);
    const found = index.search({ mode: 'dense', dense: Float32Array.of(1, 0, 0, 0, 0), limit: 3 });
    expect(found.map(({ key }) => key)).toEqual([5000, 5001, 5002]);
    expect(index.search({ mode: 'sparse', sparse: sparse([3]), limit: 200 })).toHaveLength(100);
    expect(index.count({ must: [{ key: 'n', range: { gte: 5990 } }] })).toBe(10);
    index.put('d5000', { n: 0 }, [at(5000)]);
    expect(index.size).toBe(1000);
  });

  test('equal scores come by key, whatever order they were added in', () => {
    const vectors = [3, 1, 2, 5, 4].map((key) => ({ key, dense: Float32Array.of(1, 0, 0, 0, 0), bm25: sparse([1]) }));
    const index = new PassageIndex(DIMENSIONS);
    for (const vector of vectors) index.put(String(vector.key), undefined, [vector]);
    expect(index.search({ mode: 'dense', dense: Float32Array.of(1, 0, 0, 0, 0), limit: 3 }).map(({ key }) => key)).toEqual([1, 2, 3]);
    expect(index.search({ mode: 'sparse', sparse: sparse([1]), limit: 3 }).map(({ key }) => key)).toEqual([1, 2, 3]);
  });

  test('a query of another length is refused', () => {
    expect(() => new PassageIndex(DIMENSIONS).search({ mode: 'dense', dense: new Float32Array(3), limit: 1 })).toThrow(/invalid_request/);
  });

  test('a filter asked for again sees each change in between', () => {
    const index = new PassageIndex(DIMENSIONS);
    const filter = { must: [{ key: 'lang', match: { value: 'en' } }] };
    const vectors = (key: number): PassageVectors => ({ key, dense: Float32Array.of(1, 0, 0, 0, 0), bm25: sparse([]) });
    const found = (): number[] =>
      index.search({ mode: 'dense', dense: Float32Array.of(1, 0, 0, 0, 0), filter, limit: 9 }).map(({ key }) => key);
    index.put('a', { lang: 'en' }, [vectors(1)]);
    expect([found(), found()]).toEqual([[1], [1]]);
    index.put('b', { lang: 'en' }, [vectors(2)]);
    expect([found(), index.count(filter)]).toEqual([[1, 2], 2]);
    index.put('a', { lang: 'de' }, [vectors(3)]);
    expect(found()).toEqual([2]);
    index.delete('b');
    expect([found(), index.count(filter)]).toEqual([[], 0]);
    for (let year = 0; year < 40; year += 1) expect(index.count({ must: [{ key: 'year', match: { value: year } }] })).toBe(0);
    expect(found()).toEqual([]);
  });
});
