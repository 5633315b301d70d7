import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { describeWithRecording } from '../support/qdrant-replay-recording.js';
import { startReplayServer, type ReplayServer } from '../support/qdrant-replay-server.js';
import { QdrantStrictMode } from '../support/qdrant-strict-mode.js';
import { indexed, passage, recordOf, stored, versionOf } from './store-fixtures.js';

describeWithRecording('payload indexes', () => {
  let server: ReplayServer;
  let strict: QdrantStrictMode;
  beforeAll(async () => {
    server = await startReplayServer();
  });
  beforeEach(() => {
    strict = new QdrantStrictMode();
    server.intercept = strict.intercept;
  });
  afterEach(() => {
    server.intercept = undefined;
    expect(server.objections).toEqual([]);
  });
  afterAll(() => server.close());

  const open = () => openQdrantStores({ url: server.url, timeoutMs: 5_000 });

  describe('that a corpus of an earlier release lacks', () => {
    async function earlierCorpus(tenant: string) {
      const version = versionOf(tenant);
      const record = recordOf(version);
      const { documentStore, candidateStore } = open();
      [strict.unmade, strict.isRefusing] = [['taken', 'content_hash', 'metadata.lang'], false];
      await documentStore.createCorpus(record);
      await candidateStore.createVersion(version);
      await documentStore.putDocuments(record, [stored('a', 1), stored('b', 1)]);
      await candidateStore.writeDocuments(version, [indexed('a', 1, [passage(0, 0, {})])]);
      [strict.unmade, strict.isRefusing] = [[], true];
      return { version, record };
    }

    test('are made when a process first deletes from it, and not looked for again', async () => {
      const { version, record } = await earlierCorpus('deleted-from');
      const before = strict.asked;
      const { documentStore, candidateStore } = open();
      expect(await documentStore.deleteDocuments(record, ['a'], 2)).toBe(1);
      await candidateStore.deleteDocuments(version, ['a'], 2);
      expect(await documentStore.countDeleted(record, 2)).toBe(1);
      const { asked } = strict;
      // Two looks, two that were missing in each, and the six of `rf_corpora`.
      expect(asked - before).toBe(2 + 4 + 6);
      await documentStore.deleteDocuments(record, ['b'], 3);
      await candidateStore.deleteDocuments(version, ['b'], 3);
      await documentStore.purgeTombstones(record, 3);
      await candidateStore.writeDocuments(version, [indexed('c', 4, [passage(0, 0, {})])]);
      expect(strict.asked).toBe(asked);
    });

    test('are made by a deletion that finds nothing to delete, a purge and a restamp as well', async () => {
      const { version, record } = await earlierCorpus('looked-at');
      expect(await open().documentStore.countDeleted(record, 2)).toBe(0);
      await open().documentStore.purgeTombstones(record, 2);
      const stamp = { documentId: 'a', seq: 2, contentHash: indexed('a', 1, []).contentHash };
      expect(await open().candidateStore.restampDocuments(version, [stamp])).toEqual(new Set(['a']));
    });
  });

  test('that nobody made, as a process died on its way to them, are made by the first write', async () => {
    const version = versionOf('cut-short');
    const record = recordOf(version);
    const away = { status: 503, body: { status: { error: 'made up' } } };
    server.intercept = (method, path, body) =>
      path.includes('/index') && !path.includes('rf_corpora') ? away : strict.intercept(method, path, body);
    const dying = open();
    await expect(dying.documentStore.createCorpus(record)).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
    await expect(dying.candidateStore.createVersion(version)).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
    server.intercept = strict.intercept;
    const later = open();
    expect(await later.documentStore.putDocuments(record, [stored('a', 1)])).toEqual(new Set(['a']));
    await later.candidateStore.writeDocuments(version, [indexed('a', 1, [passage(0, 0, {})])]);
    expect(await later.candidateStore.countDocuments(version)).toBe(1);
  });

  test('of fields that are declared later are there when the record names them', async () => {
    const record = recordOf(versionOf('declared'));
    const { documentStore } = open();
    await documentStore.createCorpus(record);
    await documentStore.putDocuments(record, [stored('a', 1, 'text', { shelf: 7 })]);
    const fields = { ...record.settings.fields, shelf: 'integer' } as const;
    const settings = { ...record.settings, fields };
    expect(await documentStore.updateCorpus({ ...record, settings, revision: 2 })).toBe(true);
    const filter = { must: [{ key: 'shelf', match: { value: 7 } }] };
    expect((await documentStore.scanDocuments(record, { limit: 5, filter })).documents).toHaveLength(1);
  });
});
