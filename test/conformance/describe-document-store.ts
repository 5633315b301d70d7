import { describe, expect, test } from 'vitest';
import type { CorpusIncarnation, CorpusRecord, Filter, ReindexRecord, StoredDocument } from '@rerank-fleet/core/domain';
import type { DocumentStore } from '@rerank-fleet/core/ports';
import { recordOf, stored, versionOf, widerVersionOf } from './store-fixtures.js';

async function created(store: DocumentStore, tenant: string, corpusId = 'first'): Promise<CorpusIncarnation> {
  await store.createCorpus(recordOf(versionOf(tenant, 1, corpusId)));
  return { tenant, corpus: 'manuals', corpusId };
}

async function scanned(store: DocumentStore, ref: CorpusIncarnation, limit: number, filter = {}): Promise<StoredDocument[]> {
  const all: StoredDocument[] = [];
  let after: string | undefined;
  do {
    const page = await store.scanDocuments(ref, { limit, filter, ...(after === undefined ? {} : { after }) });
    expect(page.documents.length).toBeLessThanOrEqual(limit);
    all.push(...page.documents);
    after = page.next;
  } while (after !== undefined);
  return all;
}

/** A reindex with everything that one can hold. */
function reindexOf(status: ReindexRecord['status']): ReindexRecord {
  return {
    id: 'reindex-1',
    fromVersion: 1,
    toVersion: 2,
    status,
    promote: 'manual',
    requestsPerSecond: 12.5,
    checks: { sample: 5, minOverlap: 0.4, judged: [{ query: 'größer als „x“?', relevant: { 'a:b': 2, 日本: 0 } }], minNdcgRatio: 0.9 },
    keepPreviousMs: 86_400_000,
    total: 100,
    created: 60,
    updated: 3,
    failed: 1,
    failures: [{ documentId: 'odd 🍎', code: 'score_not_finite', detail: 'It\'s "odd".' }],
    throttledMs: 17.25,
    checkpoint: 'doc-60',
    lease: { owner: 'worker-1', fence: 3, until: 1_700_000_060_000 },
    validation: {
      documents: { expected: 100, found: 99 },
      repaired: 1,
      queries: 5,
      overlap: 0.75,
      ndcg: { before: 0.7, after: 0.72 },
      failures: [],
    },
    error: { code: 'model_unavailable', detail: 'No worker has it.' },
    startedAt: 1_700_000_000_000,
    workedMs: 12_345.5,
    endedAt: 1_700_000_100_000,
  };
}

export function describeDocumentStore(store: () => DocumentStore, freshTenant: () => string): void {
  describe('corpora', () => {
    test('a record is created once and found as it was', async () => {
      const record = recordOf(versionOf(freshTenant()));
      expect(await store().createCorpus(record)).toBe(true);
      expect(await store().createCorpus({ ...record, corpusId: 'another' })).toBe(false);
      expect(await store().findCorpus(record)).toEqual(record);
      expect(await store().findCorpus({ tenant: freshTenant(), corpus: record.corpus })).toBeUndefined();
    });

    test('the stages of a corpus change with its record alone', async () => {
      const record = recordOf(versionOf(freshTenant()));
      await store().createCorpus(record);
      const stages = [{ model: 'light', keep: 20 }, { model: 'heavy' }];
      expect(await store().updateCorpus({ ...record, settings: { ...record.settings, stages }, revision: 2 })).toBe(true);
      expect((await store().findCorpus(record))?.settings.stages).toEqual(stages);
      expect(await store().updateCorpus({ ...record, revision: 3 })).toBe(true);
      expect((await store().findCorpus(record))?.settings).not.toHaveProperty('stages');
    });

    test('corpora are listed by name, and each tenant has its own', async () => {
      const tenant = freshTenant();
      for (const corpus of ['b', 'c', 'a']) await store().createCorpus({ ...recordOf(versionOf(tenant)), corpus });
      const other = recordOf(versionOf(freshTenant()));
      await store().createCorpus(other);
      expect((await store().listCorpora(tenant)).map((record) => record.corpus)).toEqual(['a', 'b', 'c']);
      const all = (await store().listAllCorpora()).filter((record) => [tenant, other.tenant].includes(record.tenant));
      expect(all.map((record) => `${record.tenant} ${record.corpus}`).sort()).toEqual(
        [`${tenant} a`, `${tenant} b`, `${tenant} c`, `${other.tenant} manuals`].sort(),
      );
    });

    test('an update needs the revision that is stored', async () => {
      const record = recordOf(versionOf(freshTenant()));
      await store().createCorpus(record);
      const next = { ...record, revision: 2, promotedVersion: 2, versions: [...record.versions, versionOf(record.tenant, 2)] };
      expect(await store().updateCorpus(next)).toBe(true);
      expect(await store().updateCorpus({ ...next, promotedVersion: 1 })).toBe(false);
      expect(await store().updateCorpus({ ...next, revision: 9 })).toBe(false);
      expect(await store().findCorpus(record)).toEqual(next);
      expect(await store().updateCorpus({ ...next, tenant: freshTenant(), revision: 3 })).toBe(false);
    });

    test('of concurrent updates to one revision exactly one wins', async () => {
      const record = recordOf(versionOf(freshTenant()));
      await store().createCorpus(record);
      const tries = [1, 2, 3, 4].map((n) => store().updateCorpus({ ...record, revision: 2, createdAt: n }));
      expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1);
    });

    test('versions with their options, reindexes and versions about to go come back as they were', async () => {
      const first = { ...versionOf(freshTenant()), retiredAt: 1_700_000_000_500 };
      const index = { hnsw: { m: 32, efConstruct: 200 }, quantization: 'scalar', onDisk: true, shards: 2, replicas: 2 } as const;
      const second = { ...widerVersionOf(first.tenant, 2), index };
      const record: CorpusRecord = {
        ...recordOf(first),
        settings: { ...recordOf(first).settings, index, source: { connection: 'elsewhere', options: { depth: [1, { x: null }] } } },
        versions: [first, second],
        dropping: [versionOf(first.tenant, 3)],
        lastVersion: 3,
        reindexes: [reindexOf('building'), reindexOf('rolled_back')],
      };
      await store().createCorpus(record);
      expect(await store().findCorpus(record)).toEqual(record);
      const { dropping: _, reindexes: __, ...settled } = record;
      await store().updateCorpus({ ...settled, promotedVersion: 2, revision: 2 });
      expect(await store().findCorpus(record)).toEqual({ ...settled, promotedVersion: 2, revision: 2 });
      expect(await store().listCorpora(first.tenant)).toEqual([{ ...settled, promotedVersion: 2, revision: 2 }]);
    });

    test('corpora with something left to look after are listed over all tenants, until it is done', async () => {
      const states: Readonly<Record<string, Partial<CorpusRecord>>> = {
        settled: {},
        building: { reindexes: [reindexOf('building')] },
        validating: { reindexes: [reindexOf('validating'), reindexOf('completed')] },
        ready: { reindexes: [reindexOf('ready')] },
        ended: { reindexes: [reindexOf('completed'), reindexOf('failed'), reindexOf('cancelled'), reindexOf('rolled_back')], dropping: [] },
        dropping: { dropping: [versionOf('other', 4)] },
        deleting: { deleting: true },
      };
      const tenants = [freshTenant(), freshTenant()];
      const records = tenants.flatMap((tenant) => {
        const retired = { versions: [{ ...versionOf(tenant), retiredAt: 5 }, versionOf(tenant, 2)], promotedVersion: 2 };
        return Object.entries({ ...states, retired }).map(([corpus, state]) => ({ ...recordOf(versionOf(tenant)), ...state, corpus }));
      });
      for (const record of records) await store().createCorpus(record);
      const listed = async () =>
        (await store().listUnsettled())
          .filter(({ tenant }) => tenants.includes(tenant))
          .map(({ tenant, corpus }) => `${String(tenants.indexOf(tenant))} ${corpus}`)
          .sort();
      const unsettled = ['building', 'deleting', 'dropping', 'ready', 'retired', 'validating'];
      expect(await listed()).toEqual(['0', '1'].flatMap((tenant) => unsettled.map((corpus) => `${tenant} ${corpus}`)));
      for (const record of records.filter(({ tenant }) => tenant === tenants[0])) {
        await store().updateCorpus({ ...recordOf(versionOf(record.tenant)), corpus: record.corpus, revision: 2 });
      }
      await store().deleteCorpus(records.find(({ tenant, corpus }) => tenant === tenants[1] && corpus === 'ready')!);
      const beginning = records.find(({ tenant, corpus }) => tenant === tenants[1] && corpus === 'settled')!;
      await store().updateCorpus({ ...beginning, reindexes: [reindexOf('building')], revision: 2 });
      expect(await listed()).toEqual(
        ['building', 'deleting', 'dropping', 'retired', 'settled', 'validating'].map((corpus) => `1 ${corpus}`),
      );
    });

    test('deleting a corpus takes its record and documents', async () => {
      const ref = await created(store(), freshTenant());
      await store().putDocuments(ref, [stored('a', 1)]);
      expect(await store().deleteCorpus(ref)).toBe(true);
      expect(await store().deleteCorpus(ref)).toBe(false);
      expect(await store().findCorpus(ref)).toBeUndefined();
      await created(store(), ref.tenant);
      expect(await store().countDocuments(ref)).toBe(0);
      expect(await store().findDocument(ref, 'a')).toBeUndefined();
    });
  });

  describe('a corpus made again under the name of a deleted one', () => {
    const twice = async () => {
      const tenant = freshTenant();
      const gone = await created(store(), tenant, 'first');
      await store().putDocuments(gone, [stored('a', 1)]);
      await store().deleteCorpus(gone);
      return { gone, now: await created(store(), tenant, 'second') };
    };

    test('keeps none of what is still written to the deleted one', async () => {
      const { gone, now } = await twice();
      await expect(store().putDocuments(gone, [stored('stale', 9)])).rejects.toMatchObject({ code: 'corpus_not_found' });
      await expect(store().deleteDocuments(gone, ['b'], 9)).rejects.toMatchObject({ code: 'corpus_not_found' });
      await store().purgeTombstones(gone, 10);
      expect(await store().putDocuments(now, [stored('b', 2)])).toEqual(new Set(['b']));
      expect(await store().countDocuments(now)).toBe(1);
      expect(await store().findDocument(now, 'stale')).toBeUndefined();
    });

    test('shows nothing to who reads the deleted one, and outlives another deletion of that', async () => {
      const { gone, now } = await twice();
      await store().putDocuments(now, [stored('b', 2)]);
      expect(await store().findDocument(gone, 'b')).toBeUndefined();
      expect(await store().scanDocuments(gone, { limit: 5 })).toEqual({ documents: [] });
      expect(await store().countDocuments(gone)).toBe(0);
      expect(await store().deleteCorpus(gone)).toBe(false);
      expect((await store().findCorpus(now))?.corpusId).toBe('second');
      expect(await store().countDocuments(now)).toBe(1);
    });
  });

  describe('deletions that have begun', () => {
    test('are listed as they were begun, over all corpora, until they end', async () => {
      const tenants = [freshTenant(), freshTenant()];
      const base = { corpus: 'manuals', corpusId: 'first', seq: 7, begunAt: 1_700_000_000_000 };
      const filter: Filter = { must: [{ key: 'größer', match: { any: ['a"b', '日本'] } }], must_not: [{ is_null: { key: 'x' } }] };
      const [named, passing] = [
        { ...base, tenant: tenants[0]!, id: `${tenants[0]!}-1`, documentIds: ['a:b', '日本 🍎'] },
        { ...base, tenant: tenants[1]!, id: `${tenants[1]!}-2`, filter },
      ];
      const listed = async () =>
        (await store().listPendingDeletes()).filter(({ tenant }) => tenants.includes(tenant)).sort((a, b) => (a.id < b.id ? -1 : 1));
      await store().beginDelete(named);
      await store().beginDelete(passing);
      await store().beginDelete({ ...named, begunAt: base.begunAt + 1 });
      expect(await listed()).toEqual([named, passing]);
      await store().endDelete(named);
      await store().endDelete(named);
      expect(await listed()).toEqual([passing]);
      await store().endDelete(passing);
      expect(await listed()).toEqual([]);
    });
  });

  describe('documents', () => {
    test('a document is found as it was written, whatever it holds', async () => {
      const ref = await created(store(), freshTenant());
      const document = { ...stored('日本 🍎', 7, 'text\n👩‍🚀'), title: 'T', metadata: { list: [1, { deep: null }], 'odd key': 'x' } };
      await store().putDocuments(ref, [document]);
      expect(await store().findDocument(ref, document.id)).toEqual(document);
      expect(await store().findDocument(ref, 'other')).toBeUndefined();
    });

    test('the higher seq wins in any order, and equal is a repeat', async () => {
      const ref = await created(store(), freshTenant());
      expect(await store().putDocuments(ref, [stored('a', 5, 'five')])).toEqual(new Set(['a']));
      expect(await store().putDocuments(ref, [stored('a', 4, 'four'), stored('b', 4)])).toEqual(new Set(['b']));
      expect(await store().putDocuments(ref, [stored('a', 5, 'five')])).toEqual(new Set(['a']));
      expect((await store().findDocument(ref, 'a'))?.text).toBe('five');
    });

    test('a delete counts living documents and its tombstones hold back slower writes', async () => {
      const ref = await created(store(), freshTenant());
      await store().putDocuments(ref, [stored('a', 1), stored('b', 1), stored('c', 9)]);
      expect(await store().deleteDocuments(ref, ['a', 'c', 'never'], 5)).toBe(1);
      expect(await store().deleteDocuments(ref, ['a'], 6)).toBe(0);
      expect(await store().countDocuments(ref)).toBe(2);
      expect(await store().findDocument(ref, 'a')).toBeUndefined();
      expect(await store().putDocuments(ref, [stored('a', 2), stored('never', 2)])).toEqual(new Set());
      expect(await store().countDocuments(ref)).toBe(2);
      expect(await store().putDocuments(ref, [stored('a', 7)])).toEqual(new Set(['a']));
      expect(await store().countDocuments(ref)).toBe(3);
    });

    test('a delete that is repeated is counted as one, without what was written anew', async () => {
      const ref = await created(store(), freshTenant());
      await store().putDocuments(ref, [stored('a', 1), stored('b', 1), stored('c', 9), stored('d', 1)]);
      expect(await store().countDeleted(ref, 5)).toBe(0);
      await store().deleteDocuments(ref, ['a', 'c', 'never'], 5);
      await store().deleteDocuments(ref, ['a', 'b', 'c', 'never'], 5);
      expect(await store().countDeleted(ref, 5)).toBe(2);
      await store().deleteDocuments(ref, ['b', 'd'], 6);
      expect(await store().countDeleted(ref, 6)).toBe(1);
      await store().putDocuments(ref, [stored('a', 7)]);
      expect(await store().countDeleted(ref, 5)).toBe(0);
      await store().deleteDocuments(ref, ['a'], 8);
      expect(await store().countDeleted(ref, 8)).toBe(1);
      expect(await store().countDeleted({ ...ref, corpusId: 'another' }, 8)).toBe(0);
    });

    test('purged tombstones are forgotten, later ones and documents stay', async () => {
      const ref = await created(store(), freshTenant());
      await store().putDocuments(ref, [stored('live', 1)]);
      await store().deleteDocuments(ref, ['old'], 5);
      await store().deleteDocuments(ref, ['new'], 8);
      await store().purgeTombstones(ref, 8);
      expect(await store().putDocuments(ref, [stored('old', 2), stored('new', 2)])).toEqual(new Set(['old']));
      expect(await store().findDocument(ref, 'live')).toBeDefined();
    });

    test('a scan pages over living documents, each once, under a filter', async () => {
      const ref = await created(store(), freshTenant());
      const documents = Array.from({ length: 25 }, (_, n) => stored(`doc-${String(n)}`, 1, 'x', { even: n % 2 === 0 }));
      await store().putDocuments(ref, documents);
      await store().deleteDocuments(ref, ['doc-3'], 2);
      const all = await scanned(store(), ref, 7);
      expect(all.map((document) => document.id).sort()).toEqual(
        documents
          .map((document) => document.id)
          .filter((id) => id !== 'doc-3')
          .sort(),
      );
      expect(all).toEqual(await scanned(store(), ref, 24));
      const even = await scanned(store(), ref, 4, { must: [{ key: 'even', match: { value: true } }] });
      expect(even).toHaveLength(13);
      expect((await store().scanDocuments(ref, { limit: 24 })).next).toBeUndefined();
    });
  });
}
