import { openQdrantStores, type QdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import { MAX_DOCUMENT_CHARACTERS } from '@rerank-fleet/core/contracts';
import { ERROR_CATALOGUE } from '@rerank-fleet/core/errors';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { describeWithRecording } from '../support/qdrant-replay-recording.js';
import { startReplayServer, type ReplayServer } from '../support/qdrant-replay-server.js';
import { QdrantStrictMode } from '../support/qdrant-strict-mode.js';
import { describeStores } from './describe-stores.js';
import { direction, indexed, passage, recordOf, sparse, stored, versionOf } from './store-fixtures.js';

describeWithRecording('Qdrant stores on the replay server', () => {
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
  });

  describe('writes that the server did not finish', () => {
    const version = versionOf('waiting');
    const stamp = { documentId: 'a', seq: 4, contentHash: 'made-up' };
    const writes: Readonly<Record<string, (stores: QdrantStores) => Promise<unknown>>> = {
      'a version': ({ candidateStore }) => candidateStore.createVersion(version),
      'a corpus': ({ documentStore }) => documentStore.createCorpus({ ...recordOf(version), corpus: 'another' }),
      'a change of a corpus': ({ documentStore }) => documentStore.updateCorpus({ ...recordOf(version), revision: 2 }),
      passages: ({ candidateStore }) => candidateStore.writeDocuments(version, [indexed('a', 2, [passage(0, 0, {})])]),
      'a restamp': ({ candidateStore }) => candidateStore.restampDocuments(version, [stamp]),
      'a delete of passages': ({ candidateStore }) => candidateStore.deleteDocuments(version, ['a'], 3),
      documents: ({ documentStore }) => documentStore.putDocuments(version, [stored('a', 1)]),
      'a delete of documents': ({ documentStore }) => documentStore.deleteDocuments(version, ['a'], 3),
      'the beginning of a deletion': ({ documentStore }) =>
        documentStore.beginDelete({ ...version, id: 'waiting', seq: 4, documentIds: ['a'], begunAt: 0 }),
      'the end of a deletion': ({ documentStore }) => documentStore.endDelete({ id: 'waiting' }),
      'a purge': ({ documentStore }) => documentStore.purgeTombstones(version, 5),
    };
    const isUpdate = (method: string, path: string) => method !== 'DELETE' && path.includes('wait=true');
    const unfinished = (status: string) => ({ status: 200, body: { result: { operation_id: 1, status }, status: 'ok' } });

    beforeAll(async () => {
      const { candidateStore, documentStore } = open();
      await documentStore.createCorpus(recordOf(version));
      await candidateStore.createVersion(version);
      await candidateStore.writeDocuments(version, [indexed('a', 1, [passage(0, 0, {})])]);
    });

    test.each(Object.entries(writes))('%s: an acknowledgement or a wait_timeout is no success, and a repeat is', async (_, write) => {
      for (const status of ['acknowledged', 'wait_timeout']) {
        server.intercept = (method, path) => (isUpdate(method, path) ? unfinished(status) : undefined);
        await expect(write(open())).rejects.toMatchObject({
          code: 'candidate_store_unavailable',
          detail: expect.stringContaining(status) as string,
        });
      }
      expect(ERROR_CATALOGUE.candidate_store_unavailable).toMatchObject({ status: 503, retry: 'backoff' });
      server.intercept = undefined;
      await write(open());
    });

    test('one that hangs is given up after the timeout', async () => {
      server.intercept = (method, path) => (isUpdate(method, path) ? 'hang' : undefined);
      await expect(writes['passages']!(open(100))).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
    });
  });

  test('conditions name only fields that have an index, as a server in strict mode demands', async () => {
    const version = versionOf('strict');
    const strict = new QdrantStrictMode();
    server.intercept = strict.intercept;
    const { candidateStore, documentStore } = open();
    const record = recordOf(version);
    await documentStore.createCorpus(record);
    await candidateStore.createVersion(version);
    await documentStore.putDocuments(record, [stored('a', 1), stored('b', 1)]);
    await candidateStore.writeDocuments(version, [indexed('a', 1, [passage(0, 0, {}), passage(1, 0, {})])]);
    await candidateStore.restampDocuments(version, [{ documentId: 'a', seq: 2, contentHash: indexed('a', 1, []).contentHash }]);
    await candidateStore.retrieve(version, { mode: 'dense', dense: direction(0), limit: 1 });
    await Promise.all([candidateStore.countDocuments(version), candidateStore.countPassages(version)]);
    await documentStore.beginDelete({ ...record, id: 'strict', seq: 3, documentIds: ['a'], begunAt: 0 });
    await documentStore.deleteDocuments(record, ['a'], 3);
    await candidateStore.deleteDocuments(version, ['a'], 3);
    await Promise.all([documentStore.countDeleted(record, 3), documentStore.countDocuments(record), documentStore.listPendingDeletes()]);
    await documentStore.endDelete({ id: 'strict' });
    await documentStore.purgeTombstones(record, 4);
    await documentStore.updateCorpus({ ...record, revision: record.revision + 1 });
    await Promise.all([documentStore.listCorpora(record.tenant), documentStore.listAllCorpora(), documentStore.listUnsettled()]);
    await documentStore.deleteCorpus(record);
    expect(strict.named.size).toBeGreaterThan(8);
    expect([...strict.named].filter((each) => !strict.indexed.has(each))).toEqual([]);
  });

  describe('requests of bounded size', () => {
    const LIMIT = 32 * 1024 * 1024;
    const sent: number[] = [];
    const measure = () => {
      sent.length = 0;
      server.intercept = (method, path, body) => {
        if (method === 'PUT' && path.includes('/points?')) sent.push(Buffer.byteLength(JSON.stringify(body)));
        return undefined;
      };
    };

    test('the longest documents go a few at a time', async () => {
      const { documentStore } = open(30_000);
      const version = versionOf('long');
      await documentStore.createCorpus(recordOf(version));
      measure();
      const documents = Array.from({ length: 5 }, (_, n) => stored(`d${String(n)}`, 1, '語'.repeat(MAX_DOCUMENT_CHARACTERS)));
      expect((await documentStore.putDocuments(version, documents)).size).toBe(5);
      expect(sent).toHaveLength(3);
      expect(Math.max(...sent)).toBeLessThan(LIMIT / 2);
      const longest = stored('escaped', 1, '\u0001'.repeat(MAX_DOCUMENT_CHARACTERS));
      expect(await documentStore.putDocuments(version, [longest])).toEqual(new Set(['escaped']));
      expect(Math.max(...sent)).toBeLessThan(LIMIT);
      expect(await documentStore.findDocument(version, 'escaped')).toEqual(longest);
    });

    test('a document of many passages with much metadata is split, and one that was cut between is made good by a repeat', async () => {
      const { candidateStore } = open(30_000);
      const version = versionOf('wide');
      await candidateStore.createVersion(version);
      const cut = Array.from({ length: 400 }, (_, n) => passage(n, n / 5, {}));
      const document = indexed('d', 1, cut, { large: 'x'.repeat(60_000) });
      let requests = 0;
      server.intercept = (method, path) => {
        if (method !== 'PUT' || !path.includes('/points?') || (requests += 1) !== 2) return undefined;
        return { status: 503, body: { status: { error: 'made up' } } };
      };
      await expect(candidateStore.writeDocuments(version, [document])).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
      measure();
      expect(await candidateStore.restampDocuments(version, [{ ...document, seq: 1 }])).toEqual(new Set());
      await candidateStore.writeDocuments(version, [document]);
      expect(sent).toHaveLength(2);
      expect(Math.max(...sent)).toBeLessThan(LIMIT / 2);
      expect(await candidateStore.countPassages(version)).toBe(400);
      expect(await candidateStore.restampDocuments(version, [{ ...document, seq: 1 }])).toEqual(new Set(['d']));
    });
  });

  describe('options of an index', () => {
    const bodies: { readonly method: string; readonly path: string; readonly body: unknown }[] = [];
    const record = () => {
      bodies.length = 0;
      server.intercept = (method, path, body) => {
        bodies.push({ method, path, body });
        return undefined;
      };
    };
    const version = {
      ...versionOf('options'),
      index: { hnsw: { m: 32, efConstruct: 256 }, quantization: 'binary', onDisk: true, shards: 2, replicas: 1 },
    } as const;

    test('make the collection, with an index for every field that a condition may name', async () => {
      record();
      await open().candidateStore.createVersion(version);
      const collection = '/collections/rf__options__manuals__first__v1';
      expect(bodies.find(({ method, path }) => method === 'PUT' && path === collection)?.body).toEqual({
        vectors: { dense: { size: 4, distance: 'Cosine', on_disk: true } },
        sparse_vectors: { bm25: { modifier: 'idf' } },
        hnsw_config: { m: 32, ef_construct: 256 },
        quantization_config: { binary: { always_ram: true } },
        shard_number: 2,
        replication_factor: 1,
      });
      const indexes = bodies.filter(({ path }) => path === `${collection}/index?wait=true`).map(({ body }) => body);
      expect(indexes).toEqual(
        expect.arrayContaining([
          { field_name: 'document_id', field_schema: 'keyword' },
          { field_name: 'passage', field_schema: 'integer' },
          { field_name: 'content_hash', field_schema: 'keyword' },
          { field_name: 'metadata.price', field_schema: 'float' },
          { field_name: 'metadata.meta.source', field_schema: 'keyword' },
        ]),
      );
      expect(indexes).toHaveLength(5 + Object.keys(version.fields).length);
    });

    test('of quantization go with the dense part of a search, and only there', async () => {
      const { candidateStore } = open();
      await candidateStore.createVersion(version);
      await candidateStore.writeDocuments(version, [indexed('a', 1, [passage(0, 0, { 1: 1 })])]);
      record();
      const params = { quantization: { rescore: true, oversampling: 4 } };
      const vectors = { dense: direction(0), sparse: sparse({ 1: 1 }), limit: 3 };
      for (const mode of ['dense', 'sparse', 'hybrid'] as const)
        expect(await candidateStore.retrieve(version, { mode, ...vectors })).toHaveLength(1);
      const [dense, bm25, hybrid] = bodies.map(({ body }) => body as { params?: unknown; prefetch?: readonly object[] });
      expect(dense).toMatchObject({ using: 'dense', params });
      expect(bm25).not.toHaveProperty('params');
      expect(hybrid).not.toHaveProperty('params');
      expect(hybrid?.prefetch?.[0]).toMatchObject({ using: 'dense', params });
      expect(hybrid?.prefetch?.[1]).not.toHaveProperty('params');
    });
  });

  test('a corpus whose maker died before it had a place for documents gets one with the first write', async () => {
    const version = versionOf('homeless');
    const { documentStore } = open();
    server.intercept = (method, path) =>
      method === 'PUT' && path.startsWith('/collections/rf_docs__homeless')
        ? { status: 503, body: { status: { error: 'made up' } } }
        : undefined;
    await expect(documentStore.createCorpus(recordOf(version))).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
    server.intercept = undefined;
    expect(await documentStore.countDocuments(version)).toBe(0);
    expect(await documentStore.deleteDocuments(version, ['a'], 5)).toBe(0);
    expect(await documentStore.putDocuments(version, [stored('a', 4), stored('b', 4)])).toEqual(new Set(['b']));
  });

  test('a write that made a place for documents anew while their corpus was deleted leaves none', async () => {
    const version = versionOf('haunted');
    const { documentStore } = open();
    await documentStore.createCorpus(recordOf(version));
    const collection = `/collections/rf_docs__haunted__manuals__first`;
    await fetch(`${server.url}${collection}`, { method: 'DELETE' });
    server.intercept = async (method, path) => {
      if (method !== 'PUT' || path !== collection) return undefined;
      server.intercept = undefined;
      await open().documentStore.deleteCorpus(version);
      return undefined;
    };
    await expect(documentStore.putDocuments(version, [stored('a', 1)])).rejects.toMatchObject({ code: 'corpus_not_found' });
    const count = await fetch(`${server.url}${collection}/points/count`, { method: 'POST', body: '{"exact":true}' });
    expect(count.status).toBe(404);
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
    await documentStore.updateCorpus({ ...recordOf(first), versions: [first, second], promotedVersion: 1, revision: 3 });
    expect(await alias()).toBe(0);
    await documentStore.updateCorpus({ ...recordOf(first), versions: [first, second], promotedVersion: 2, revision: 4 });
    expect(await alias()).toBe(1);
    await candidateStore.dropVersion(first);
    expect(await alias()).toBe(1);
    // It goes with the collection that it points at.
    await documentStore.deleteCorpus(first);
    await candidateStore.dropVersion(second);
    expect(await alias()).toBeUndefined();
  });

  test('of two changes at once the later decides where the alias ends', async () => {
    const { candidateStore, documentStore } = open();
    const versions = [versionOf('race', 1), versionOf('race', 2)] as const;
    const record = { ...recordOf(versions[0]), versions };
    await documentStore.createCorpus(record);
    for (const version of versions) await candidateStore.createVersion(version);
    await candidateStore.writeDocuments(versions[1], [indexed('a', 1, [passage(0, 0, {})])]);
    let swaps = 0;
    // The promotion is stored, and taken back by another process before its alias is set.
    server.intercept = async (method, path) => {
      if (method === 'POST' && path === '/collections/aliases' && (swaps += 1) === 1) {
        await open().documentStore.updateCorpus({ ...record, promotedVersion: 1, revision: 3 });
      }
      return undefined;
    };
    expect(await documentStore.updateCorpus({ ...record, promotedVersion: 2, revision: 2 })).toBe(true);
    server.intercept = undefined;
    const response = await fetch(`${server.url}/collections/rf__race__manuals/points/count`, { method: 'POST', body: '{"exact":true}' });
    expect(await response.json()).toMatchObject({ result: { count: 0 } });
  });

  test('integers beyond 2^53 in metadata come back as JSON numbers', async () => {
    const { documentStore } = open();
    const version = versionOf('big');
    await documentStore.createCorpus(recordOf(version));
    await documentStore.putDocuments(version, [stored('a', 1, 'x', { big: 1e20, list: [2 ** 60] })]);
    expect((await documentStore.findDocument(version, 'a'))?.metadata).toEqual({ big: 1e20, list: [2 ** 60] });
  });
});
