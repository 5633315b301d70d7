import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Candidate, CorpusVersion, Filter } from '@rerank-fleet/core/domain';
import type { CandidateStore } from '@rerank-fleet/core/ports';
import { describeDocumentStore } from './describe-document-store.js';
import { describeFilters } from './describe-filters.js';
import { describePromotion } from './describe-promotion.js';
import { describeStamps } from './describe-stamps.js';
import { direction, indexed, passage, sparse, tenDocuments, versionOf } from './store-fixtures.js';
import type { Stores, StoresFactory } from './stores.js';

/** A tenant that no other test has used. */
export type FreshTenant = () => string;

/** What every pair of stores must do, by the words of their ports. */
export function describeStores(name: string, factory: StoresFactory): void {
  describe(name, () => {
    let stores: Stores;
    const tenants: string[] = [];
    const run = Date.now().toString(36);
    const freshTenant: FreshTenant = () => {
      tenants.push(`t${run}${String(tenants.length)}`);
      return tenants.at(-1)!;
    };
    beforeAll(async () => {
      stores = await factory.open();
    });
    afterAll(async () => {
      for (const tenant of tenants) await removeAll(stores, tenant);
      await Promise.all([stores.candidateStore.close(), stores.documentStore.close()]);
    });
    describeRetrieval(() => stores.candidateStore, freshTenant);
    describeFilters(() => stores.candidateStore, freshTenant);
    describeWrites(() => stores.candidateStore, freshTenant);
    describeStamps(() => stores.candidateStore, freshTenant);
    describeVersions(() => stores, freshTenant);
    describePromotion(factory, () => stores, freshTenant);
    describeDocumentStore(() => stores.documentStore, freshTenant);
    describeReopening(factory, () => stores, freshTenant);
  });
}

/** A server outlives the tests. */
async function removeAll({ candidateStore, documentStore }: Stores, tenant: string): Promise<void> {
  for (const record of await documentStore.listCorpora(tenant)) await documentStore.deleteCorpus(record);
  for (const version of [versionOf(tenant, 1, 'second'), versionOf(tenant, 1), versionOf(tenant, 2)])
    await candidateStore.dropVersion(version);
}

export function idsOf(candidates: readonly Candidate[]): string[] {
  return candidates.map((candidate) => candidate.documentId);
}

async function filled(store: CandidateStore, tenant: string): Promise<CorpusVersion> {
  const version = versionOf(tenant);
  await store.createVersion(version);
  await store.writeDocuments(version, tenDocuments());
  return version;
}

function idf(count: number, frequency: number): number {
  return Math.log((count - frequency + 0.5) / (frequency + 0.5) + 1);
}

function describeRetrieval(store: () => CandidateStore, freshTenant: FreshTenant): void {
  describe('retrieval', () => {
    let version: CorpusVersion;
    beforeAll(async () => {
      version = await filled(store(), freshTenant());
    });

    test('dense orders by cosine and counts ranks from 1', async () => {
      const found = await store().retrieve(version, { mode: 'dense', dense: direction(0), limit: 3 });
      expect(idsOf(found)).toEqual(['d0', 'd1', 'd2']);
      expect(found.map((candidate) => candidate.firstStage.rank)).toEqual([1, 2, 3]);
      expect(found[2]!.firstStage.score).toBeCloseTo(Math.cos((20 * Math.PI) / 180), 5);
    });

    test('a candidate carries its passage, title and metadata', async () => {
      const [first] = await store().retrieve(version, { mode: 'dense', dense: direction(0), limit: 1 });
      expect(first).toMatchObject({ documentId: 'd0', title: 'Title of d0', metadata: { lang: 'en', meta: { source: 'wiki' } } });
      expect(first!.passage).toEqual({ index: 0, start: 0, end: 14, text: 'passage 0 at 0' });
    });

    test('sparse returns passages that share a term, with the IDF of the whole version', async () => {
      const found = await store().retrieve(version, { mode: 'sparse', sparse: sparse({ 2: 1, 104: 1 }), limit: 10 });
      expect(idsOf(found)[0]).toBe('d4');
      expect(idsOf(found).sort()).toEqual(['d0', 'd2', 'd4', 'd6', 'd8']);
      expect(found[0]!.firstStage.score).toBeCloseTo(idf(10, 5) + idf(10, 1), 5);
      expect(found[1]!.firstStage.score).toBeCloseTo(idf(10, 5), 5);
    });

    test('a filter does not change the IDF', async () => {
      const filter: Filter = { must: [{ key: 'year', range: { lt: 2002 } }] };
      const found = await store().retrieve(version, { mode: 'sparse', sparse: sparse({ 2: 1 }), limit: 10, filter });
      expect(idsOf(found)).toEqual(['d0']);
      expect(found[0]!.firstStage.score).toBeCloseTo(idf(10, 5), 5);
    });

    test('hybrid adds 1/(60 + rank) of both lists, each cut at the limit', async () => {
      const found = await store().retrieve(version, { mode: 'hybrid', dense: direction(0), sparse: sparse({ 1: 1 }), limit: 3 });
      // Dense: d0, d1, d2. Sparse, by the weight of term 1: d9, d8, d7.
      expect(found).toHaveLength(3);
      expect(new Set(idsOf(found).slice(0, 2))).toEqual(new Set(['d0', 'd9']));
      expect(found[0]!.firstStage.score).toBeCloseTo(1 / 60, 5);
      expect(found[2]!.firstStage.score).toBeCloseTo(1 / 61, 5);
    });

    test('hybrid sums the parts of a passage that is in both lists, under a filter too', async () => {
      const filter: Filter = { must: [{ key: 'lang', match: { value: 'en' } }] };
      const found = await store().retrieve(version, { mode: 'hybrid', dense: direction(0), sparse: sparse({ 100: 1 }), limit: 5, filter });
      expect(idsOf(found)).toEqual(['d0', 'd1', 'd7']);
      expect(found[0]!.firstStage.score).toBeCloseTo(2 / 60, 5);
    });

    test('a query without known terms finds nothing', async () => {
      expect(await store().retrieve(version, { mode: 'sparse', sparse: sparse({ 999_999: 1 }), limit: 5 })).toEqual([]);
      expect(await store().retrieve(version, { mode: 'sparse', sparse: sparse({}), limit: 5 })).toEqual([]);
    });

    test('an aborted call rejects with the reason of its signal', async () => {
      const aborted = AbortSignal.abort(new Error('the client left'));
      const call = store().retrieve(version, { mode: 'dense', dense: direction(0), limit: 5, signal: aborted });
      await expect(call).rejects.toThrow('the client left');
      const controller = new AbortController();
      const running = store().retrieve(version, { mode: 'dense', dense: direction(0), limit: 5, signal: controller.signal });
      controller.abort(new Error('the client left later'));
      await expect(running).rejects.toThrow('the client left later');
    });

    test('a version that is not there is corpus_not_found', async () => {
      const call = store().retrieve(versionOf(version.tenant, 7), { mode: 'dense', dense: direction(0), limit: 5 });
      await expect(call).rejects.toMatchObject({ code: 'corpus_not_found' });
    });
  });
}

function describeWrites(store: () => CandidateStore, freshTenant: FreshTenant): void {
  const dense = (version: CorpusVersion) => store().retrieve(version, { mode: 'dense', dense: direction(0), limit: 50 });
  const found = async (version: CorpusVersion) =>
    (await dense(version)).map(({ documentId, passage: { index } }) => `${documentId}#${String(index)}`).sort();

  describe('writes', () => {
    test('a higher seq replaces the document with all its passages', async () => {
      const version = await filled(store(), freshTenant());
      await store().writeDocuments(version, [
        indexed('d0', 2, [passage(0, 5, { 1: 1 }), passage(1, 6, { 1: 1 }), passage(2, 7, { 1: 1 })]),
      ]);
      expect(await store().countPassages(version)).toBe(12);
      await store().writeDocuments(version, [indexed('d0', 3, [passage(0, 85, { 7: 1 })], { lang: 'xx' })]);
      expect(await store().countPassages(version)).toBe(10);
      expect(await store().countPassages(version, { must: [{ key: 'lang', match: { value: 'xx' } }] })).toBe(1);
      expect(idsOf(await dense(version))[0]).toBe('d1');
    });

    test('a stale write is left out, and only it', async () => {
      const version = await filled(store(), freshTenant());
      await store().writeDocuments(version, [indexed('d0', 5, [passage(0, 80, {})])]);
      await store().writeDocuments(version, [
        indexed('d0', 4, [passage(0, 0, { 3: 1 }), passage(1, 0, { 3: 1 })]),
        indexed('d99', 6, [passage(0, 1, {})]),
      ]);
      const ids = await found(version);
      expect(ids.filter((id) => id.startsWith('d0#'))).toEqual(['d0#0']);
      expect(idsOf(await dense(version))[0]).toBe('d99');
      expect(await store().retrieve(version, { mode: 'sparse', sparse: sparse({ 3: 1 }), limit: 5 })).toEqual([]);
    });

    test('repeating a write changes nothing', async () => {
      const version = await filled(store(), freshTenant());
      const before = await dense(version);
      await store().writeDocuments(version, tenDocuments());
      expect(await dense(version)).toEqual(before);
      expect(await store().countPassages(version)).toBe(10);
    });

    test('clearing up takes nothing of documents that are whole, deleted or unknown', async () => {
      const version = await filled(store(), freshTenant());
      await store().writeDocuments(version, [indexed('d0', 2, [passage(0, 5, { 1: 1 }), passage(1, 6, { 1: 1 })])]);
      await store().deleteDocuments(version, ['d1'], 2);
      const before = await found(version);
      await store().removeLeftovers(version, ['d0', 'd1', 'd2', 'never']);
      await store().removeLeftoversOfDeleted(version);
      expect(await found(version)).toEqual(before);
    });

    test('a delete takes documents up to its seq and holds back slower writes', async () => {
      const version = await filled(store(), freshTenant());
      await store().writeDocuments(version, [indexed('d1', 9, [passage(0, 10, {})])]);
      await store().deleteDocuments(version, ['d0', 'd1', 'never-there'], 5);
      expect(await found(version)).not.toContain('d0#0');
      expect(await found(version)).toContain('d1#0');
      expect(await store().countPassages(version)).toBe(9);
      const late = [passage(0, 0, {}), passage(1, 0, {})];
      await store().writeDocuments(version, [indexed('d0', 4, late), indexed('never-there', 3, late)]);
      expect(await store().countPassages(version)).toBe(9);
      await store().writeDocuments(version, [indexed('d0', 6, [passage(0, 0, {})])]);
      expect(await found(version)).toContain('d0#0');
      expect(await store().countPassages(version)).toBe(10);
    });

    test('a document of many passages comes back by its passages', async () => {
      const version = versionOf(freshTenant());
      await store().createVersion(version);
      await store().writeDocuments(version, [
        indexed(
          'long',
          1,
          Array.from({ length: 30 }, (_, n) => passage(n, n, {})),
        ),
      ]);
      const [best] = await store().retrieve(version, { mode: 'dense', dense: direction(17), limit: 1 });
      expect(best!.passage.index).toBe(17);
      await store().deleteDocuments(version, ['long'], 2);
      expect(await store().countPassages(version)).toBe(0);
    });

    test('document ids and texts may hold any characters', async () => {
      const version = versionOf(freshTenant());
      await store().createVersion(version);
      const odd = ['a:b', '日本語 🍎', '"quoted"', 'a/b\\c', "x'; DROP TABLE passages"];
      await store().writeDocuments(
        version,
        odd.map((id, n) => ({ ...indexed(id, 1, [{ ...passage(0, n, {}), text: `${id}\n👩‍🚀` }]) })),
      );
      const all = await store().retrieve(version, { mode: 'dense', dense: direction(0), limit: 10 });
      expect(all.map((candidate) => [candidate.documentId, candidate.passage.text])).toEqual(odd.map((id) => [id, `${id}\n👩‍🚀`]));
    });
  });
}

function describeVersions(stores: () => Stores, freshTenant: FreshTenant): void {
  describe('versions', () => {
    test('two versions of a corpus do not see each other', async () => {
      const { candidateStore } = stores();
      const tenant = freshTenant();
      const first = await filled(candidateStore, tenant);
      const second = versionOf(tenant, 2);
      await candidateStore.createVersion(second);
      await candidateStore.createVersion(second);
      await candidateStore.writeDocuments(second, [indexed('only', 1, [passage(0, 0, { 1: 1 })])]);
      expect(await candidateStore.countPassages(first)).toBe(10);
      expect(idsOf(await candidateStore.retrieve(second, { mode: 'dense', dense: direction(0), limit: 5 }))).toEqual(['only']);
      const [hit] = await candidateStore.retrieve(second, { mode: 'sparse', sparse: sparse({ 1: 1 }), limit: 5 });
      expect(hit!.firstStage.score).toBeCloseTo(idf(1, 1), 5);
    });

    test('a dropped version is gone, its neighbour stays, and dropping it again is no error', async () => {
      const { candidateStore } = stores();
      const tenant = freshTenant();
      const first = await filled(candidateStore, tenant);
      const second = versionOf(tenant, 2);
      await candidateStore.createVersion(second);
      await candidateStore.dropVersion(first);
      await candidateStore.dropVersion(first);
      await expect(candidateStore.countPassages(first)).rejects.toMatchObject({ code: 'corpus_not_found' });
      await expect(candidateStore.writeDocuments(first, tenDocuments(2))).rejects.toMatchObject({ code: 'corpus_not_found' });
      expect(await candidateStore.countPassages(second)).toBe(0);
    });

    test('a corpus made again under the same name starts empty', async () => {
      const { candidateStore } = stores();
      const tenant = freshTenant();
      await filled(candidateStore, tenant);
      const again = versionOf(tenant, 1, 'second');
      await candidateStore.createVersion(again);
      expect(await candidateStore.countPassages(again)).toBe(0);
    });

    test('no write to a deleted corpus reaches another of its name', async () => {
      const { candidateStore } = stores();
      const stale = await filled(candidateStore, freshTenant());
      const now = versionOf(stale.tenant, 1, 'second');
      await candidateStore.createVersion(now);
      await candidateStore.writeDocuments(now, tenDocuments());
      // Who deleted the corpus has not come to its index yet; then it has, and a slow writer makes it anew.
      await candidateStore.writeDocuments(stale, [indexed('stale', 9, [passage(0, 0, { 1: 1 })])]);
      await candidateStore.deleteDocuments(stale, ['d0'], 9);
      await candidateStore.dropVersion(stale);
      await candidateStore.createVersion(stale);
      await candidateStore.writeDocuments(stale, [indexed('stale', 9, [passage(0, 0, { 1: 1 })])]);
      await candidateStore.dropVersion(stale);
      const found = await candidateStore.retrieve(now, { mode: 'dense', dense: direction(0), limit: 20 });
      expect(idsOf(found)).toEqual(tenDocuments().map(({ documentId }) => documentId));
      expect((await candidateStore.documentSeqs(now, ['d0', 'stale'])).get('d0')).toBe(1);
    });
  });
}

function describeReopening(factory: StoresFactory, stores: () => Stores, freshTenant: FreshTenant): void {
  test('what was written is there for stores opened later, and later writes for stores opened before', async () => {
    const tenant = freshTenant();
    const version = await filled(stores().candidateStore, tenant);
    expect(await stores().candidateStore.countPassages(version, {})).toBe(10);
    const other = await factory.open();
    try {
      expect(await other.candidateStore.countPassages(version, {})).toBe(10);
      await other.candidateStore.writeDocuments(version, [indexed('new', 2, [passage(0, 0, { 55: 1 })])]);
      const seen = await stores().candidateStore.retrieve(version, { mode: 'sparse', sparse: sparse({ 55: 1 }), limit: 5 });
      expect(idsOf(seen)).toEqual(['new']);
      await other.candidateStore.deleteDocuments(version, ['new'], 3);
      expect(await stores().candidateStore.retrieve(version, { mode: 'sparse', sparse: sparse({ 55: 1 }), limit: 5 })).toEqual([]);
    } finally {
      await Promise.all([other.candidateStore.close(), other.documentStore.close()]);
    }
  });
}
