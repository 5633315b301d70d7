import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import type { CorpusRecord } from '@rerank-fleet/core/domain';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithRecording } from '../support/qdrant-replay-recording.js';
import { startReplayServer, type ReplayServer } from '../support/qdrant-replay-server.js';
import type { Stores } from './stores.js';
import { recordOf, versionOf } from './store-fixtures.js';

describeWithRecording('the alias of a corpus on Qdrant', () => {
  let server: ReplayServer;
  let stores: Stores;
  beforeAll(async () => {
    server = await startReplayServer();
    stores = openQdrantStores({ url: server.url, timeoutMs: 5_000 });
  });
  afterAll(() => server.close());

  async function make(tenant: string, corpusId: string): Promise<CorpusRecord> {
    const version = versionOf(tenant, 1, corpusId);
    await stores.candidateStore.createVersion(version);
    const record = recordOf(version);
    expect(await stores.documentStore.createCorpus(record)).toBe(true);
    return record;
  }

  /** As a worker ends a deletion. */
  async function end(record: CorpusRecord): Promise<void> {
    const [version] = record.versions;
    await stores.candidateStore.dropVersion(version!);
    await stores.documentStore.deleteCorpus(record);
    await stores.candidateStore.dropVersion(version!);
  }

  /** Whether anything is found under the name that the corpus has for others. */
  async function isThere(tenant: string): Promise<boolean> {
    const response = await fetch(`${server.url}/collections/rf__${tenant}__manuals/points/count`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ exact: true, filter: {} }),
    });
    return response.status === 200;
  }

  test('goes with the corpus', async () => {
    const record = await make('goes', 'first');
    expect(await isThere('goes')).toBe(true);
    await end(record);
    expect(await isThere('goes')).toBe(false);
  });

  test('stays with a corpus that is made again while a slow worker ends the same deletion, at any request of that', async () => {
    for (let at = 0, isReached = true; isReached; at += 1) {
      const tenant = `meets${at}`;
      const first = await make(tenant, 'first');
      let requests = 0;
      isReached = false;
      server.intercept = async () => {
        if (requests++ !== at) return undefined;
        isReached = true;
        const own = server.intercept;
        server.intercept = undefined;
        await end(first);
        await make(tenant, 'second');
        server.intercept = own;
        return undefined;
      };
      await end(first);
      server.intercept = undefined;
      if (isReached) expect(await isThere(tenant), `request ${at}`).toBe(true);
    }
    expect(server.objections).toEqual([]);
  });
});

describeWithRecording('the record of corpora on Qdrant', () => {
  let server: ReplayServer;
  beforeAll(async () => {
    server = await startReplayServer();
  });
  afterAll(() => server.close());

  test('is empty, and can be written, in a process that saw it before the server lost its data', async () => {
    const { documentStore } = openQdrantStores({ url: server.url, timeoutMs: 5_000 });
    const record = recordOf(versionOf('lost'));
    const pending = { ...record, id: 'lost', seq: 2, documentIds: ['a'], begunAt: 0 };
    const calls: Readonly<Record<string, readonly [() => Promise<unknown>, unknown]>> = {
      find: [() => documentStore.findCorpus(record), undefined],
      list: [() => documentStore.listCorpora(record.tenant), []],
      'list deletions': [() => documentStore.listPendingDeletes(), []],
      'begin a deletion': [() => documentStore.beginDelete(pending), undefined],
      'end a deletion': [() => documentStore.endDelete(pending), undefined],
      update: [() => documentStore.updateCorpus({ ...record, revision: 2 }), false],
      create: [() => documentStore.createCorpus(record), true],
    };
    for (const [name, [call, expected]] of Object.entries(calls)) {
      await documentStore.findCorpus(record);
      await fetch(`${server.url}/collections/rf_corpora`, { method: 'DELETE' });
      expect({ name, answer: await call() }).toEqual({ name, answer: expected });
    }
    expect(await documentStore.findCorpus(record)).toEqual(record);
    expect(server.objections).toEqual([]);
  });
});
