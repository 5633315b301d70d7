import { beforeEach, describe, expect, test } from 'vitest';
import type { CorpusVersion, IndexedDocument } from '@rerank-fleet/core/domain';
import type { CandidateStore } from '@rerank-fleet/core/ports';
import { direction, indexed, passage, sparse, versionOf } from './store-fixtures.js';

/** A document whose content is one letter: each passage's text and hash tell which. */
export function lettered(documentId: string, seq: number, content: string, passages = 1): IndexedDocument {
  const cut = Array.from({ length: passages }, (_, n) => ({
    ...passage(n, n * 5, { [content.codePointAt(0)!]: 1 }),
    text: `${content}${String(n)}`,
  }));
  return { ...indexed(documentId, seq, cut), contentHash: hashOf(content) };
}

export function hashOf(content: string): string {
  return `hash of ${content}`;
}

/** The texts of all living passages by document, e.g. `{ d: 'A0 A1' }`: a document in pieces shows. */
export async function contents(store: CandidateStore, version: CorpusVersion): Promise<Record<string, string>> {
  const found = await store.retrieve(version, { mode: 'dense', dense: direction(0), limit: 1_000 });
  const byDocument = Map.groupBy(found, ({ documentId }) => documentId);
  return Object.fromEntries(
    [...byDocument].map(([id, candidates]) => [
      id,
      candidates
        .map(({ passage: { text } }) => text)
        .sort()
        .join(' '),
    ]),
  );
}

export function describeStamps(store: () => CandidateStore, freshTenant: () => string): void {
  let version: CorpusVersion;
  beforeEach(async () => {
    version = versionOf(freshTenant());
    await store().createVersion(version);
  });
  const write = (...documents: IndexedDocument[]) => store().writeDocuments(version, documents);
  const restamp = async (documentId: string, seq: number, content: string) =>
    (await store().restampDocuments(version, [{ documentId, seq, contentHash: hashOf(content) }])).has(documentId);
  const seqOf = async (id: string) => (await store().documentSeqs(version, [id])).get(id);
  const stands = async (id: string) => ({ text: (await contents(store(), version))[id], seq: await seqOf(id) });

  describe('restamps', () => {
    test('an unchanged document takes the higher seq and searches find it as before', async () => {
      await write(lettered('d', 1, 'A', 3), lettered('other', 1, 'A'));
      // Equal scores have no order on a server, and its IDF may count a point twice for a while.
      const found = async (mode: 'dense' | 'sparse' | 'hybrid') => {
        const candidates = await store().retrieve(version, { mode, dense: direction(0), sparse: sparse({ 65: 1 }), limit: 10 });
        return new Set(candidates.map(({ firstStage: _, ...candidate }) => JSON.stringify(candidate)));
      };
      const before = [await found('dense'), await found('sparse'), await found('hybrid')];
      expect(await restamp('d', 5, 'A')).toBe(true);
      expect(await stands('d')).toEqual({ text: 'A0 A1 A2', seq: 5 });
      expect(await seqOf('other')).toBe(1);
      expect([await found('dense'), await found('sparse'), await found('hybrid')]).toEqual(before);
      expect(before.map(({ size }) => size)).toEqual([4, 4, 4]);
      expect(await store().countPassages(version)).toBe(4);
    });

    test('the seq of a restamp holds back slower writes and deletes, and gives way to faster ones', async () => {
      await write(lettered('d', 1, 'A', 2));
      await restamp('d', 5, 'A');
      await write(lettered('d', 4, 'B', 3));
      await store().deleteDocuments(version, ['d'], 4);
      expect(await stands('d')).toEqual({ text: 'A0 A1', seq: 5 });
      await write(lettered('d', 6, 'C', 1));
      expect(await stands('d')).toEqual({ text: 'C0', seq: 6 });
      await store().deleteDocuments(version, ['d'], 7);
      expect(await stands('d')).toEqual({ text: undefined, seq: 7 });
    });

    test('a repeat, also with the seq of the write itself, answers the same', async () => {
      await write(lettered('d', 3, 'A', 2));
      for (const seq of [3, 3, 5, 5]) expect(await restamp('d', seq, 'A')).toBe(true);
      expect(await stands('d')).toEqual({ text: 'A0 A1', seq: 5 });
    });

    test('changed, deleted, newer and unknown documents have to be written, and stay as they are', async () => {
      await write(lettered('same', 1, 'A', 2), lettered('changed', 1, 'A'), lettered('deleted', 1, 'A'), lettered('newer', 9, 'A'));
      await store().deleteDocuments(version, ['deleted'], 2);
      const ids = ['same', 'changed', 'deleted', 'newer', 'unknown'];
      const stamps = ids.map((documentId) => ({ documentId, seq: 5, contentHash: hashOf(documentId === 'changed' ? 'B' : 'A') }));
      expect(await store().restampDocuments(version, stamps)).toEqual(new Set(['same']));
      expect(await store().documentSeqs(version, ids)).toEqual(new Map(Object.entries({ same: 5, changed: 1, deleted: 2, newer: 9 })));
      expect(await contents(store(), version)).toEqual({ same: 'A0 A1', changed: 'A0', newer: 'A0' });
    });

    test('what was written in between decides, also when the content came back', async () => {
      await write(lettered('d', 1, 'A', 2));
      await write(lettered('d', 2, 'B', 3));
      expect(await restamp('d', 3, 'A')).toBe(false);
      expect(await restamp('d', 3, 'B')).toBe(true);
      await write(lettered('d', 4, 'A', 2));
      expect(await restamp('d', 5, 'A')).toBe(true);
      expect(await stands('d')).toEqual({ text: 'A0 A1', seq: 5 });
    });

    test('a document without passages is restamped too, and is in no search', async () => {
      await write(lettered('d', 1, 'A', 0));
      expect(await restamp('d', 5, 'B')).toBe(false);
      expect(await restamp('d', 5, 'A')).toBe(true);
      await write(lettered('d', 4, 'B', 2));
      expect(await stands('d')).toEqual({ text: undefined, seq: 5 });
      await write(lettered('d', 6, 'B', 2));
      expect(await stands('d')).toEqual({ text: 'B0 B1', seq: 6 });
      await write(lettered('d', 7, 'A', 0));
      expect(await stands('d')).toEqual({ text: undefined, seq: 7 });
    });

    test('hundreds of documents in one call, some with many passages', async () => {
      const documents = Array.from({ length: 256 }, (_, n) =>
        lettered(`d${String(n)}`, 1, n % 3 === 0 ? 'B' : 'A', n === 7 ? 1_200 : 1 + (n % 2)),
      );
      await write(...documents);
      const stamps = documents.map(({ documentId }) => ({ documentId, seq: 2, contentHash: hashOf('A') }));
      const unchanged = documents.filter(({ contentHash }) => contentHash === hashOf('A')).map(({ documentId }) => documentId);
      expect(await store().restampDocuments(version, stamps)).toEqual(new Set(unchanged));
      const seqs = await store().documentSeqs(
        version,
        documents.map(({ documentId }) => documentId),
      );
      expect([...seqs].filter(([, seq]) => seq === 2).map(([id]) => id)).toEqual(unchanged);
    });

    test('no documents are no error', async () => {
      expect(await store().restampDocuments(version, [])).toEqual(new Set());
    });
  });

  describe('restamps beside other writers', () => {
    /** What a writer does that wants `content` to stand with `seq`. */
    const bring = async (seq: number, content: string, passages: number) => {
      if (!(await restamp('d', seq, content))) await write(lettered('d', seq, content, passages));
    };
    const rounds = Array.from({ length: 20 }, (_, round) => round * 10);

    test('a write with a higher seq wins, whole', async () => {
      await write(lettered('d', 1, 'A', 4));
      for (const base of rounds) {
        await Promise.all([bring(base + 8, 'A', 4), write(lettered('d', base + 9, 'B', 3))]);
        expect(await stands('d')).toEqual({ text: 'B0 B1 B2', seq: base + 9 });
        await write(lettered('d', base + 10, 'A', 4));
      }
    });

    test('a write with a lower seq loses, and leaves nothing', async () => {
      await write(lettered('d', 1, 'A', 3));
      for (const base of rounds) {
        await Promise.all([write(lettered('d', base + 7, 'B', 5)), bring(base + 8, 'A', 3), store().documentSeqs(version, ['d'])]);
        expect(await stands('d')).toEqual({ text: 'A0 A1 A2', seq: base + 8 });
        expect(await store().countPassages(version)).toBe(3);
      }
    });

    test('a delete with a higher seq takes the document, one with a lower leaves it', async () => {
      for (const base of rounds) {
        await write(lettered('d', base + 1, 'A', 3));
        await Promise.all([bring(base + 5, 'A', 3), store().deleteDocuments(version, ['d'], base + 6)]);
        expect(await stands('d')).toEqual({ text: undefined, seq: base + 6 });
        await write(lettered('d', base + 7, 'A', 3));
        await Promise.all([store().deleteDocuments(version, ['d'], base + 8), bring(base + 9, 'A', 3)]);
        expect(await stands('d')).toEqual({ text: 'A0 A1 A2', seq: base + 9 });
      }
    });

    test('writes, deletes and restamps in any order end with the highest seq', async () => {
      for (const base of rounds) {
        await Promise.all([
          write(lettered('d', base + 3, 'C', 5)),
          bring(base + 4, 'A', 2),
          store().deleteDocuments(version, ['d'], base + 5),
          write(lettered('d', base + 6, 'B', 4)),
          bring(base + 7, 'A', 2),
          write(lettered('d', base + 2, 'D', 6)),
        ]);
        expect(await stands('d')).toEqual({ text: 'A0 A1', seq: base + 7 });
        expect(await store().countPassages(version)).toBe(2);
      }
    });
  });

  describe('states of documents', () => {
    test('seqs of living and deleted documents, not of unknown ones, for many ids', async () => {
      await write(lettered('live', 4, 'A', 3), lettered('gone', 2, 'A', 3), lettered('empty', 6, 'A', 0));
      await store().deleteDocuments(version, ['gone', 'never'], 5);
      const many = Array.from({ length: 2_500 }, (_, n) => `unknown ${String(n)}`);
      expect(await store().documentSeqs(version, [...many, 'live', 'gone', 'never', 'empty'])).toEqual(
        new Map(Object.entries({ live: 4, gone: 5, never: 5, empty: 6 })),
      );
      expect(await store().documentSeqs(version, [])).toEqual(new Map());
    });

    test('documents are counted once each, without deleted ones and ones without passages', async () => {
      expect(await store().countDocuments(version)).toBe(0);
      await write(lettered('a', 1, 'A', 3), lettered('b', 1, 'A'), lettered('c', 1, 'A', 2), lettered('empty', 1, 'A', 0));
      expect(await store().countDocuments(version)).toBe(3);
      await store().deleteDocuments(version, ['b', 'never'], 2);
      expect(await store().countDocuments(version)).toBe(2);
      await write(lettered('a', 3, 'B', 0), lettered('b', 3, 'B', 2));
      expect(await store().countDocuments(version)).toBe(2);
      expect(await store().countPassages(version)).toBe(4);
    });

    test('a version that is not there is corpus_not_found', async () => {
      const absent = versionOf(version.tenant, 9);
      const stamp = { documentId: 'a', seq: 1, contentHash: hashOf('A') };
      await expect(store().documentSeqs(absent, ['a'])).rejects.toMatchObject({ code: 'corpus_not_found' });
      await expect(store().countDocuments(absent)).rejects.toMatchObject({ code: 'corpus_not_found' });
      await expect(store().restampDocuments(absent, [stamp])).rejects.toMatchObject({ code: 'corpus_not_found' });
    });
  });
}
