import { PassageIndex, type PassageQuery } from '@rerank-fleet/core/adapters/embedded/passage-index';
import type { Filter, SparseVector } from '@rerank-fleet/core/domain';
import { expect, test } from 'vitest';
import { recordedDataset, recordedExchanges, describeWithRecording, type Exchange } from '../support/qdrant-replay-recording.js';

/** Filter clauses that a client cannot send: the domain's filter is a subset of Qdrant's. */
const OUTSIDE_OUR_FILTER = ['min_should', 'has_id', 'values_count'];

interface QueryBody {
  readonly query: unknown;
  readonly using?: 'dense' | 'bm25';
  readonly prefetch?: readonly { readonly query: unknown; readonly limit: number; readonly filter?: Filter }[];
  readonly filter?: Filter;
  readonly limit: number;
}

interface Answer {
  readonly id: string;
  readonly score: number;
}

function sparseOf(query: unknown): SparseVector {
  const { indices, values } = query as { indices: number[]; values: number[] };
  return { indices: Uint32Array.from(indices), values: Float32Array.from(values) };
}

function filledIndex(): { index: PassageIndex; ids: readonly string[] } {
  const { points } = recordedDataset();
  const index = new PassageIndex(8);
  for (const [key, { id, vector, payload }] of points.entries()) {
    index.put(id, payload, [{ key, dense: Float32Array.from(vector.dense), bm25: sparseOf(vector.bm25) }]);
  }
  return { index, ids: points.map((point) => point.id) };
}

/** Qdrant orders equal scores as it likes, and its limit may cut through them: groups of equal scores are compared, not lists. */
function expectSameAnswers(mineWithoutLimit: readonly Answer[], theirs: readonly Answer[], limit: number): void {
  expect(theirs).toHaveLength(Math.min(limit, mineWithoutLimit.length));
  for (const { score } of theirs) {
    const tied = ({ score: other }: Answer) => Math.abs(other - score) <= 1e-6;
    const mineHere = mineWithoutLimit.filter(tied).map(({ id }) => id);
    const theirsHere = theirs.filter(tied).map(({ id }) => id);
    expect(mineHere).toEqual(expect.arrayContaining(theirsHere));
    if (!tied(theirs.at(-1)!)) expect(theirsHere).toHaveLength(mineHere.length);
  }
}

/**
 * Scores that fusion may give an id: within a group of equal scores any order of the ranks is right, and a group that the depth of the
 * lists cuts through may be in or out.
 */
function possibleScores(lists: readonly (readonly Answer[])[], depth: number, id: string): number[] {
  return lists.reduce<number[]>((sums, list) => sums.flatMap((sum) => contributions(list, depth, id).map((part) => sum + part)), [0]);
}

function contributions(list: readonly Answer[], depth: number, id: string): number[] {
  const own = list.find((answer) => answer.id === id);
  if (own === undefined) return [0];
  return list.flatMap(({ score }, rank) => (Math.abs(score - own.score) < 1e-6 ? [rank < depth ? 1 / (60 + rank) : 0] : []));
}

function isAnsweredQuery({ name, request, response }: Exchange): boolean {
  return (
    response.status === 200 &&
    request.path === '/collections/products_v1/points/query' &&
    /^(dense|sparse) (\d|exact|with filter)/.test(name)
  );
}

function isWithinOurFilter({ request }: Exchange): boolean {
  const body = JSON.stringify(request.body ?? null);
  return !OUTSIDE_OUR_FILTER.some((clause) => body.includes(clause));
}

function isHybrid({ name }: Exchange): boolean {
  return /^hybrid rrf k=60 \d|^hybrid, (filter|one side)/.test(name);
}

describeWithRecording('the embedded index against the recorded answers of Qdrant', () => {
  const exchanges = recordedExchanges().filter(isWithinOurFilter);
  const filled = filledIndex();
  const search = (query: PassageQuery): Answer[] => filled.index.search(query).map(({ key, score }) => ({ id: filled.ids[key]!, score }));
  const answersOf = ({ response }: Exchange): Answer[] => (response.body as { result: { points: Answer[] } }).result.points;

  test('the recording has the searches, counts and filters that are compared', () => {
    expect(exchanges.filter(isAnsweredQuery).length).toBeGreaterThanOrEqual(40);
    expect(exchanges.filter(({ name }) => name.startsWith('count with filter')).length).toBeGreaterThanOrEqual(17);
    expect(exchanges.filter(isHybrid)).toHaveLength(6);
  });

  test.each(exchanges.filter(isAnsweredQuery).map((exchange) => [exchange.name, exchange] as const))('%s', (_, exchange) => {
    const { query, using, filter, limit } = exchange.request.body as QueryBody;
    const vector =
      using === 'bm25'
        ? { mode: 'sparse' as const, sparse: sparseOf(query) }
        : { mode: 'dense' as const, dense: Float32Array.from(query as number[]) };
    expectSameAnswers(
      search({ ...vector, limit: filled.ids.length, ...(filter === undefined ? {} : { filter }) }),
      answersOf(exchange),
      limit,
    );
  });

  test.each(exchanges.filter(({ name }) => name.startsWith('count with filter')).map((exchange) => [exchange.name, exchange] as const))(
    '%s',
    (_, exchange) => {
      const { filter } = exchange.request.body as { filter: Filter };
      const { count } = (exchange.response.body as { result: { count: number } }).result;
      expect(filled.index.count(filter)).toBe(count);
    },
  );

  test.each(exchanges.filter(isHybrid).map((exchange) => [exchange.name, exchange] as const))('%s', (_, exchange) => {
    const { prefetch, filter, limit } = exchange.request.body as QueryBody;
    const [dense, bm25] = prefetch!;
    const depth = dense!.limit;
    const within = filter ?? dense!.filter;
    const vectors = {
      dense: Float32Array.from(dense!.query as number[]),
      sparse: sparseOf(bm25!.query),
      ...(within === undefined ? {} : { filter: within }),
    };
    const whole = (['dense', 'sparse'] as const).map((mode) => search({ mode, ...vectors, limit: filled.ids.length }));
    const possible = (id: string) => possibleScores(whole, depth, id);
    const theirs = answersOf(exchange);
    const mine = search({ mode: 'hybrid', ...vectors, limit: depth }).slice(0, limit);
    expect(mine).toHaveLength(theirs.length);
    for (const { id, score } of [...mine, ...theirs]) expect(possible(id).some((other) => Math.abs(score - other) <= 1e-6)).toBe(true);
    const cut = Math.max(mine.at(-1)!.score, theirs.at(-1)!.score) + 1e-6;
    const certain = (answers: readonly Answer[]) =>
      answers.filter(({ id, score }) => possible(id).length === 1 && score > cut).map(({ id }) => id);
    expect(new Set(certain(mine))).toEqual(new Set(certain(theirs)));
    expect(certain(theirs).length).toBeGreaterThan(0);
  });
});
