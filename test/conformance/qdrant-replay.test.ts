import { expect, test } from 'vitest';
import { recordedDataset, recordedExchanges, describeWithRecording, type Exchange } from '../support/qdrant-replay-recording.js';
import { ReplayCollections } from '../support/qdrant-replay-collections.js';
import { BEYOND_THE_RECORDING, RecordedShapes, routeOf } from '../support/qdrant-replay-shapes.js';

/** Recorded requests that change what later ones find, or that the adapter sends too. */
const REPLAYED =
  /^(PUT|DELETE) \/collections\/\{\}(\?|$)|\/index|\/points(\?wait=true)?$|points\/(delete\?|payload\?|batch\?|count|scroll)|points\/query$|\/aliases$/;
/** What the adapter never sends: the collections in memory do not know it. */
const LEFT_OUT =
  /min_should|has_id|values_count|"weights"|"fusion"|score_threshold|"offset":5|"params"|mustt|"match":\{\}|"nope","limit"|\[1,2\],"using"|\[1003,1003\]|"query":"0000/;

function bodyOf({ name, request }: Exchange): unknown {
  const { points } = recordedDataset();
  if (name === 'upsert all') return { points };
  if (name === 'upsert all into v2') return { points: points.slice(0, 50) };
  return request.body;
}

function isReplayed({ request }: Exchange): boolean {
  const route = routeOf(request);
  const known = REPLAYED.test(route) && !route.startsWith('GET') && request.body !== undefined;
  return (known || route.startsWith('DELETE')) && !LEFT_OUT.test(JSON.stringify(request.body ?? null));
}

/** Its place in a ranking differs from run to run where scores are equal; IDF counts deleted points until the optimizer has run. */
const NOT_COMPARED = /^(hybrid|upsert without wait|sparse after the deletes)/;

function scoresOf(body: unknown): readonly (number | undefined)[] {
  return (body as { result?: { points?: { score?: number }[] } }).result?.points?.map(({ score }) => score) ?? [];
}

function withoutOperationIds(body: unknown): unknown {
  return JSON.parse(JSON.stringify(body, (key, value: unknown) => (key === 'operation_id' ? undefined : value)));
}

/** Of a ranking only the scores. */
function expectSameBody(mine: unknown, theirs: unknown): void {
  const scores = scoresOf(theirs);
  if (scores.length === 0 || scores[0] === undefined) {
    expect(withoutOperationIds(mine)).toEqual(withoutOperationIds(theirs));
    return;
  }
  expect(scoresOf(mine)).toHaveLength(scores.length);
  for (const [rank, score] of scoresOf(mine).entries()) expect(Math.abs(score! - scores[rank]!)).toBeLessThanOrEqual(1e-6);
}

describeWithRecording(`the collections behind the replay server answer as the real server did`, () => {
  const exchanges = recordedExchanges().filter(isReplayed);
  const collections = new ReplayCollections();

  test('the recording has what is replayed', () => {
    expect(exchanges.length).toBeGreaterThan(100);
  });

  test.each(exchanges.map((exchange) => [exchange.name, exchange] as const))('%s', (name, exchange) => {
    const { method, path } = exchange.request;
    const reply = collections.answer(method, path.split('?')[0]!.split('/').slice(1), bodyOf(exchange));
    expect(reply.status).toBe(exchange.response.status);
    if (!NOT_COMPARED.test(name)) expectSameBody(reply.body, exchange.response.body);
  });
});

describeWithRecording(`recorded shapes`, () => {
  test('a request that the recording has passes, one with another field, nesting or route does not', () => {
    const shapes = new RecordedShapes(recordedExchanges());
    const query = { method: 'POST', path: '/collections/x/points/query' };
    const good = { query: [1], using: 'dense', limit: 1, filter: { must: [{ key: 'a', match: { any: ['b'] } }] } };
    expect(shapes.objection({ ...query, body: good })).toBeUndefined();
    expect(shapes.objection({ ...query, body: { ...good, depth: 2 } })).toContain('depth');
    expect(shapes.objection({ ...query, body: { ...good, filter: { must: [{ key: 'a', match: { like: 'b' } }] } } })).toContain(
      'match.like',
    );
    expect(shapes.objection({ ...query, body: { ...good, query: { rrf: { kk: 60 } } } })).toContain('rrf.kk');
    expect(shapes.objection({ method: 'PATCH', path: '/collections/x', body: {} })).toContain('PATCH');
  });

  test('what goes beyond the recording is named, and none of it was recorded after all', () => {
    const shapes = new RecordedShapes(recordedExchanges());
    const recordedOnly = new RecordedShapes(recordedExchanges(), {});
    const request = {
      method: 'POST',
      path: '/collections/x/points/payload?wait=true',
      body: { payload: { seq: 1 }, filter: { must: [] } },
    };
    expect(shapes.objection(request)).toBeUndefined();
    expect(recordedOnly.objection(request)).toContain('filter');
    for (const [route, fields] of Object.entries(BEYOND_THE_RECORDING)) {
      const [method, path] = route.replace('{}', 'x').split(' ') as [string, string];
      for (const field of fields) {
        const body = bodyWith(field.split('.'));
        expect(recordedOnly.objection({ method, path, body })).toContain(field);
        expect(shapes.objection({ method, path, body })).toBeUndefined();
      }
    }
  });
});

function bodyWith([key, ...inner]: readonly string[]): object {
  const value = inner.length === 0 ? true : bodyWith(inner);
  return key!.endsWith('[]') ? { [key!.slice(0, -2)]: [value] } : { [key!]: key === 'filter' ? {} : value };
}
