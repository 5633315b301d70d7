import { openQdrantStores, type QdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import type { CorpusRecord, CorpusVersion } from '@rerank-fleet/core/domain';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { describeWithRecording } from '../support/qdrant-replay-recording.js';
import { startReplayServer, type ReplayServer } from '../support/qdrant-replay-server.js';
import { contents, hashOf, lettered } from './describe-stamps.js';
import { recordOf, stored, versionOf } from './store-fixtures.js';

/** When passages are looked at again that a write of unknown fate may have brought, in milliseconds after it. */
const LOOKS_MS = [100, 1_000, 10_000];
const LOOKED_WITHIN_MS = 25_000;

/** Requests that only read. */
const READS = /\/(points|scroll|count|query)$/;
const isRead = (method: string, path: string): boolean => method === 'GET' || (method === 'POST' && READS.test(path.split('?')[0]!));

type Fate = 'late' | 'unanswered';

let places = 0;

/** Whether documents are named, and that of the last place is not among them. */
function isOfAnother(body: unknown): boolean {
  const named = JSON.stringify(body ?? '').match(/"d\d+"/g);
  return named !== null && !named.includes(`"d${String(places)}"`);
}

describeWithRecording('a write on Qdrant whose fate nobody hears', () => {
  let server: ReplayServer;
  let stores: QdrantStores;
  let version: CorpusVersion;
  let record: CorpusRecord;
  beforeAll(async () => {
    server = await startReplayServer();
  });
  beforeEach(async ({ task }) => {
    stores = openQdrantStores({ url: server.url, timeoutMs: 5_000, lateLooksMs: LOOKS_MS });
    version = versionOf(task.id.replaceAll(/\W/g, '-'));
    record = recordOf(version);
    await stores.documentStore.createCorpus(record);
    await stores.candidateStore.createVersion(version);
  });
  afterEach(async () => {
    server.intercept = undefined;
    await stores.candidateStore.close();
    expect(server.objections).toEqual([]);
  });
  afterAll(() => server.close());

  /** Runs the work while that fate befalls its n-th request that writes, and all requests after it meet a server that is away; resolves to whether it came to that. */
  async function befall(fate: Fate, nth: number, work: () => Promise<unknown>): Promise<boolean> {
    let writes = 0;
    let isReached = false;
    server.intercept = (method, path, body) => {
      // Looks after earlier places go on beside it.
      if (isOfAnother(body)) return undefined;
      if (isReached) return { status: 503, body: { status: { error: 'made up' } } };
      if (isRead(method, path) || writes++ !== nth) return undefined;
      isReached = true;
      return fate;
    };
    const outcome = await work().catch((error: unknown) => error);
    server.intercept = undefined;
    if (isReached) expect(outcome).toMatchObject({ code: 'candidate_store_unavailable' });
    return isReached;
  }

  /** For every request of `work` that writes, over a place of its own. */
  async function atEach(
    fate: Fate,
    work: (id: string) => Promise<unknown>,
    then: (id: string, how: string) => Promise<void>,
  ): Promise<void> {
    for (let nth = 0, isReached = true; isReached; nth += 1) {
      places += 1;
      const id = `d${String(places)}`;
      isReached = await befall(fate, nth, () => work(id));
      await then(id, `${fate} at write ${String(nth)}`);
      if (nth === 0) expect(isReached).toBe(true);
    }
  }

  describe('in the index', () => {
    const write = (content: string, passages: number, seq: number) => (id: string) =>
      stores.candidateStore.writeDocuments(version, [lettered(id, seq, content, passages)]);
    const bring = (content: string, passages: number, seq: number) => async (id: string) => {
      const stamped = await stores.candidateStore.restampDocuments(version, [{ documentId: id, seq, contentHash: hashOf(content) }]);
      if (!stamped.has(id)) await write(content, passages, seq)(id);
    };
    const remove = (seq: number) => (id: string) => stores.candidateStore.deleteDocuments(version, [id], seq);

    const SLOWER = {
      'a write of six passages': write('C', 6, 5),
      'a write of two passages': write('B', 2, 5),
      'a restamp': bring('A', 4, 5),
      'a delete': remove(5),
    };
    const FASTER = {
      'a delete': { run: remove(6), text: undefined },
      'a write of one passage': { run: write('D', 1, 6), text: 'D0' },
      'a write of four passages': { run: write('A', 4, 6), text: 'A0 A1 A2 A3' },
      'a restamp': { run: bring('A', 4, 6), text: 'A0 A1 A2 A3' },
    };
    const meetings = Object.entries(SLOWER).flatMap(([slowName, slow]) =>
      Object.entries(FASTER).map(([fastName, fast]) => [slowName, fastName, slow, fast] as const),
    );

    async function expectStands(id: string, text: string | undefined, how: string): Promise<void> {
      await expect
        .poll(async () => ({ how, text: (await contents(stores.candidateStore, version))[id] }), { timeout: LOOKED_WITHIN_MS })
        .toEqual({ how, text });
      expect((await stores.candidateStore.documentSeqs(version, [id])).get(id)).toBe(6);
    }

    test.each(meetings)('%s that is done after %s changes nothing, repeated before it or not', async (_, __, slow, fast) => {
      for (const isRepeated of [false, true]) {
        await atEach('late', slow, async (id, how) => {
          if (isRepeated) await slow(id);
          await fast.run(id);
          server.doHeld();
          await expectStands(id, fast.text, how);
        });
      }
      const found = Object.values(await contents(stores.candidateStore, version)).flatMap((text) => text.split(' '));
      await expect.poll(() => stores.candidateStore.countPassages(version), { timeout: LOOKED_WITHIN_MS }).toBe(found.length);
    });

    test.each(meetings)('%s that is done and not answered is repeated, and %s after it stands', async (_, __, slow, fast) => {
      await atEach('unanswered', slow, async (id, how) => {
        await slow(id);
        await fast.run(id);
        await expectStands(id, fast.text, how);
      });
    });
  });

  describe('in the record', () => {
    const put = (seq: number) => (id: string) => stores.documentStore.putDocuments(record, [stored(id, seq, `text ${String(seq)}`)]);
    const remove = (seq: number) => (id: string) => stores.documentStore.deleteDocuments(record, [id], seq);
    const SLOWER = { 'a write': put(5), 'a delete': remove(5) };
    const FASTER = { 'a delete': { run: remove(6), text: undefined }, 'a write': { run: put(6), text: 'text 6' } };
    const meetings = Object.entries(SLOWER).flatMap(([slowName, slow]) =>
      Object.entries(FASTER).map(([fastName, fast]) => [slowName, fastName, slow, fast] as const),
    );
    const textOf = async (id: string): Promise<string | undefined> => (await stores.documentStore.findDocument(record, id))?.text;

    test.each(meetings)('%s that is done after %s changes nothing, repeated before it or not', async (_, __, slow, fast) => {
      for (const isRepeated of [false, true]) {
        await atEach('late', slow, async (id, how) => {
          if (isRepeated) await slow(id);
          await fast.run(id);
          server.doHeld();
          expect({ how, text: await textOf(id) }).toEqual({ how, text: fast.text });
        });
      }
    });

    test.each(meetings)('%s that is done and not answered is repeated, and %s after it stands', async (_, __, slow, fast) => {
      await atEach('unanswered', slow, async (id, how) => {
        await slow(id);
        await fast.run(id);
        expect({ how, text: await textOf(id) }).toEqual({ how, text: fast.text });
      });
    });

    test.each(['late', 'unanswered'] as const)('tombstones are forgotten by a purge that is %s, and nothing else', async (fate) => {
      await put(1)('lives');
      await atEach(
        fate,
        async (id) => {
          await remove(2)(id);
          await stores.documentStore.purgeTombstones(record, 3);
        },
        async (id, how) => {
          await remove(2)(id);
          await put(4)(id);
          server.doHeld();
          expect({ how, text: await textOf(id), lives: await textOf('lives') }).toEqual({ how, text: 'text 4', lives: 'text 1' });
        },
      );
    });
  });

  describe('of a corpus', () => {
    const next = (): CorpusRecord => ({ ...record, revision: record.revision + 1, lastVersion: 7 });
    const find = () => stores.documentStore.findCorpus(record);

    test('a change that is done and not answered may be seen, and is repeated from what is there', async () => {
      await befall('unanswered', 0, () => stores.documentStore.updateCorpus(next()));
      expect(await find()).toEqual(next());
      expect(await stores.documentStore.updateCorpus(next())).toBe(false);
      expect(await stores.documentStore.updateCorpus({ ...next(), revision: 3 })).toBe(true);
    });

    test('a change that comes after another is held back', async () => {
      await befall('late', 0, () => stores.documentStore.updateCorpus(next()));
      const other = { ...next(), lastVersion: 9 };
      expect(await stores.documentStore.updateCorpus(other)).toBe(true);
      server.doHeld();
      expect(await find()).toEqual(other);
    });

    test('a change that comes after the deletion brings no corpus back, nor changes one of its name', async () => {
      await befall('late', 0, () => stores.documentStore.updateCorpus(next()));
      expect(await stores.documentStore.deleteCorpus(record)).toBe(true);
      server.doHeld();
      expect(await find()).toBeUndefined();
      await stores.documentStore.createCorpus(record);
      await befall('late', 0, () => stores.documentStore.updateCorpus(next()));
      await stores.documentStore.deleteCorpus(record);
      const second = { ...record, corpusId: 'second' };
      await stores.documentStore.createCorpus(second);
      server.doHeld();
      expect(await find()).toEqual(second);
    });

    test('a deletion that comes at any of its requests after another corpus has the name leaves that one and its documents', async () => {
      const second = { ...record, corpusId: 'second' };
      for (let nth = 0, isReached = true; isReached; nth += 1) {
        isReached = await befall('late', nth, () => stores.documentStore.deleteCorpus(record));
        // Whoever looks next ends it.
        await stores.documentStore.deleteCorpus(record);
        await stores.documentStore.createCorpus(second);
        await stores.documentStore.putDocuments(second, [stored('d', 1)]);
        server.doHeld();
        expect({ nth, found: await find(), documents: await stores.documentStore.countDocuments(second) }).toEqual({
          nth,
          found: second,
          documents: 1,
        });
        await stores.documentStore.deleteCorpus(second);
        await stores.documentStore.createCorpus(record);
      }
    });

    test('that a deletion of documents begins or ends is repeated, and what comes late of it is settled once more', async () => {
      const pending = {
        tenant: record.tenant,
        corpus: record.corpus,
        corpusId: record.corpusId,
        id: version.tenant,
        seq: 5,
        begunAt: 1,
        documentIds: ['d'],
      };
      const listed = async () => (await stores.documentStore.listPendingDeletes()).filter(({ id }) => id === pending.id);
      await befall('unanswered', 0, () => stores.documentStore.beginDelete(pending));
      expect(await listed()).toEqual([pending]);
      await stores.documentStore.beginDelete(pending);
      await befall('unanswered', 0, () => stores.documentStore.endDelete(pending));
      await stores.documentStore.endDelete(pending);
      expect(await listed()).toEqual([]);
      await befall('late', 0, () => stores.documentStore.beginDelete(pending));
      server.doHeld();
      expect(await listed()).toEqual([pending]);
      await stores.documentStore.endDelete(pending);
    });
  });
});
