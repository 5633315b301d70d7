import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { recordedDataset, recordedExchanges, describeWithRecording, type Exchange } from '../support/qdrant-replay-recording.js';
import { startReplayServer, type ReplayServer } from '../support/qdrant-replay-server.js';
import { ReplayCollections } from '../support/qdrant-replay-collections.js';
import { RecordedShapes, routeOf } from '../support/qdrant-replay-shapes.js';
import { describeStores } from './describe-stores.js';
import { direction, indexed, passage, recordOf, stored, versionOf } from './store-fixtures.js';

/** Recorded requests that change what later ones find, or that the adapter sends too. */
const REPLAYED =
  /^(PUT|DELETE) \/collections\/\{\}(\?|$)|\/index|\/points(\?wait=true)?$|points\/(delete\?|batch\?|count|scroll)|points\/query$|\/aliases$/;
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
});

describeWithRecording(`Qdrant adapter on the replay server`, () => {
  let server: ReplayServer;
  beforeAll(async () => {
    server = await startReplayServer();
  });
  afterEach(() => {
    server.intercept = undefined;
    expect(server.objections).toEqual([]);
  });
  afterAll(() => server.close());

  const open = (timeoutMs = 5_000) => openQdrantStores({ url: server.url, timeoutMs });
  describeStores('conformance', { open: () => Promise.resolve(open()) });

  describe('faults', () => {
    const version = versionOf('faults');
    const retrieve = (timeoutMs?: number) =>
      open(timeoutMs).candidateStore.retrieve(version, { mode: 'dense', dense: direction(0), limit: 1 });

    test('a full disk is storage_full', async () => {
      server.intercept = () => ({ status: 507, body: { status: { error: 'Insufficient storage' } } });
      await expect(retrieve()).rejects.toMatchObject({ code: 'storage_full' });
      server.intercept = () => ({
        status: 500,
        body: { status: { error: 'Service internal error: No space left on device (os error 28)' } },
      });
      await expect(retrieve()).rejects.toMatchObject({ code: 'storage_full' });
    });

    test('a server that is away, slow, broken or refuses the key is candidate_store_unavailable', async () => {
      const away = openQdrantStores({ url: 'http://127.0.0.1:9', timeoutMs: 1_000 });
      await expect(away.candidateStore.countPassages(version)).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
      server.intercept = () => 'hang';
      await expect(retrieve(100)).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
      for (const status of [401, 429, 500, 503]) {
        server.intercept = () => ({ status, body: { status: { error: 'made up' } } });
        await expect(retrieve()).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
      }
      server.intercept = () => ({ status: 200, body: { result: { what: 'is this' } } });
      await expect(retrieve()).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
    });

    test('a refusal of our own request is a bug, not a fault of the store', async () => {
      server.intercept = () => ({ status: 400, body: { status: { error: 'Wrong input' } } });
      await expect(retrieve()).rejects.toThrow(/This is a bug/);
    });

    test('a write that was not finished in time is no success', async () => {
      const { candidateStore, documentStore } = open();
      await candidateStore.createVersion(version);
      await documentStore.createCorpus(recordOf(version));
      server.intercept = (method, path) =>
        method === 'PUT' && path.includes('/points?')
          ? { status: 200, body: { result: { operation_id: 1, status: 'wait_timeout' }, status: 'ok' } }
          : undefined;
      const write = candidateStore.writeDocuments(version, [indexed('a', 1, [passage(0, 0, {})])]);
      await expect(write).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
      await expect(documentStore.putDocuments(version, [stored('a', 1)])).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
    });
  });

  test('the alias follows the promoted version, whichever of corpus and version was made first', async () => {
    const { candidateStore, documentStore } = open();
    const [first, second] = [versionOf('alias', 1), versionOf('alias', 2)];
    const alias = async () => {
      const response = await fetch(`${server.url}/collections/rf__alias__manuals/points/count`, { method: 'POST', body: '{"exact":true}' });
      return response.status === 404 ? undefined : ((await response.json()) as { result: { count: number } }).result.count;
    };
    await documentStore.createCorpus(recordOf(first));
    expect(await alias()).toBeUndefined();
    await candidateStore.createVersion(first);
    expect(await alias()).toBe(0);
    await candidateStore.createVersion(second);
    await candidateStore.writeDocuments(second, [indexed('a', 1, [passage(0, 0, {})])]);
    expect(await alias()).toBe(0);
    await documentStore.updateCorpus({ ...recordOf(first), versions: [first, second], promotedVersion: 2, revision: 2 });
    expect(await alias()).toBe(1);
    await documentStore.deleteCorpus(first);
    expect(await alias()).toBeUndefined();
  });

  test('integers beyond 2^53 in metadata come back as JSON numbers', async () => {
    const { documentStore } = open();
    const version = versionOf('big');
    await documentStore.createCorpus(recordOf(version));
    await documentStore.putDocuments(version, [stored('a', 1, 'x', { big: 1e20, list: [2 ** 60] })]);
    expect((await documentStore.findDocument(version, 'a'))?.metadata).toEqual({ big: 1e20, list: [2 ** 60] });
  });
});
