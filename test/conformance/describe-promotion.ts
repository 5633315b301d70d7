import { describe, expect, test } from 'vitest';
import type { Candidate, CorpusRecord, CorpusVersion, IndexedDocument } from '@rerank-fleet/core/domain';
import type { CandidateStore } from '@rerank-fleet/core/ports';
import { direction, passage, recordOf, sparse, tenDocuments, versionOf, widerVersionOf } from './store-fixtures.js';
import type { Stores, StoresFactory } from './stores.js';

/** The same document as each version has it: the title tells which, as do vectors of the version's length. */
function documentIn(version: CorpusVersion, documentId: string, seq: number, passages = 1): IndexedDocument {
  const { dimensions } = version.embedder;
  const cut = Array.from({ length: passages }, (_, n) => ({ ...passage(n, n * 5, { 1: 1 }), dense: direction(n * 5, dimensions) }));
  return { documentId, seq, contentHash: 'made-up', title: titleOf(version), passages: cut };
}

function titleOf({ version }: CorpusVersion): string {
  return `as of version ${String(version)}`;
}

function search(store: CandidateStore, version: CorpusVersion, mode: 'dense' | 'hybrid' = 'dense'): Promise<readonly Candidate[]> {
  const dense = direction(0, version.embedder.dimensions);
  return store.retrieve(version, { mode, dense, ...(mode === 'dense' ? {} : { sparse: sparse({ 1: 1 }) }), limit: 200 });
}

const isOf = (version: CorpusVersion) => (candidate: Candidate) => candidate.title === titleOf(version);

interface TwoVersions {
  readonly versions: readonly [CorpusVersion, CorpusVersion];
  readonly record: CorpusRecord;
}

/** A corpus with two versions of different dimensions, the first promoted. */
async function withTwoVersions({ candidateStore, documentStore }: Stores, tenant: string, ids: readonly string[]): Promise<TwoVersions> {
  const versions = [versionOf(tenant, 1), widerVersionOf(tenant, 2)] as const;
  const record = { ...recordOf(versions[0]), versions, revision: 1 };
  await documentStore.createCorpus(record);
  for (const version of versions) {
    await candidateStore.createVersion(version);
    await candidateStore.writeDocuments(
      version,
      ids.map((id) => documentIn(version, id, 1)),
    );
  }
  return { versions, record };
}

export function describePromotion(factory: StoresFactory, stores: () => Stores, freshTenant: () => string): void {
  describe('promotion', () => {
    test('versions of different dimensions stand side by side, and dropping one leaves the other', async () => {
      const { candidateStore } = stores();
      const { versions } = await withTwoVersions(stores(), freshTenant(), ['a', 'b']);
      const [first, second] = versions;
      await candidateStore.writeDocuments(second, [documentIn(second, 'only in the second', 2, 3)]);
      await candidateStore.deleteDocuments(first, ['b'], 3);
      expect((await search(candidateStore, first, 'hybrid')).map(({ documentId }) => documentId)).toEqual(['a']);
      expect((await search(candidateStore, second)).every(isOf(second))).toBe(true);
      expect([await candidateStore.countDocuments(first), await candidateStore.countDocuments(second)]).toEqual([1, 3]);
      expect(await candidateStore.documentSeqs(first, ['a', 'b', 'only in the second'])).toEqual(
        new Map([
          ['a', 1],
          ['b', 3],
        ]),
      );
      expect(await candidateStore.documentSeqs(second, ['b'])).toEqual(new Map([['b', 1]]));
      await candidateStore.dropVersion(first);
      await expect(search(candidateStore, first)).rejects.toMatchObject({ code: 'corpus_not_found' });
      expect(await search(candidateStore, second)).toHaveLength(5);
    });

    test('options of the index change nothing of what a search finds', async () => {
      const { candidateStore } = stores();
      const tenant = freshTenant();
      const options = [
        { quantization: 'scalar', hnsw: { m: 8, efConstruct: 64 }, onDisk: true, shards: 2, replicas: 1 },
        { quantization: 'binary', hnsw: { m: 0 } },
      ] as const;
      for (const [n, index] of options.entries()) {
        const version = { ...versionOf(tenant, n + 1), index };
        await candidateStore.createVersion(version);
        await candidateStore.writeDocuments(version, tenDocuments());
        const found = await candidateStore.retrieve(version, { mode: 'dense', dense: direction(42), limit: 4 });
        expect(found.map(({ documentId }) => documentId)).toEqual(['d4', 'd5', 'd3', 'd6']);
        expect(found[0]!.firstStage.score).toBeCloseTo(Math.cos((2 * Math.PI) / 180), 4);
        const fused = await candidateStore.retrieve(version, {
          mode: 'hybrid',
          dense: direction(42),
          sparse: sparse({ 104: 1 }),
          limit: 4,
        });
        expect(fused[0]).toMatchObject({ documentId: 'd4' });
      }
    });

    test('the record follows a promotion and its rollback, and each version is there at every step', async () => {
      const { candidateStore, documentStore } = stores();
      const { record, versions } = await withTwoVersions(stores(), freshTenant(), ['a', 'b']);
      for (const [n, promotedVersion] of [2, 1, 2].entries()) {
        expect(await documentStore.updateCorpus({ ...record, promotedVersion, revision: n + 2 })).toBe(true);
        expect((await documentStore.findCorpus(record))?.promotedVersion).toBe(promotedVersion);
        for (const version of versions) expect((await search(candidateStore, version)).filter(isOf(version))).toHaveLength(2);
      }
    });

    test('a promoted version outlives the one before, which is dropped under its readers', { timeout: 60_000 }, async () => {
      const { candidateStore, documentStore } = stores();
      const { record, versions } = await withTwoVersions(stores(), freshTenant(), ['a', 'b', 'c']);
      let done = false;
      const reads = [1, 2].map(async () => {
        const seen: (number | 'gone')[] = [];
        do {
          const version = await promotedOf(stores(), record);
          const found = await search(candidateStore, version).catch(goneOrRethrown);
          if (found !== undefined) expect(found.filter(isOf(version))).toHaveLength(3);
          seen.push(found === undefined ? 'gone' : version.version);
        } while (!done);
        return seen;
      });
      await documentStore.updateCorpus({ ...record, promotedVersion: 2, revision: 2 });
      await candidateStore.dropVersion(versions[0]);
      await candidateStore.dropVersion(versions[0]);
      await search(candidateStore, versions[1]);
      done = true;
      for (const seen of await Promise.all(reads)) {
        // Only who had resolved the first version before the swap finds it gone.
        expect(seen.slice(seen.indexOf(2)).filter((read) => read !== 2)).toEqual([]);
        expect(seen.at(-1)).toBe(2);
      }
    });

    test(
      'under writers, no read sees a mix, a gap or an error while the promotion swaps back and forth',
      { timeout: 120_000 },
      async () => {
        const others = await factory.open();
        const reads = await swapUnderLoad(stores(), others, freshTenant()).finally(async () => {
          await Promise.all([others.candidateStore.close(), others.documentStore.close()]);
        });
        for (const version of [1, 2]) expect(reads.get(version)).toBeGreaterThanOrEqual(READS_OF_EACH);
      },
    );
  });
}

function goneOrRethrown(error: unknown): undefined {
  expect(error).toMatchObject({ code: 'corpus_not_found' });
  return undefined;
}

async function promotedOf({ documentStore }: Stores, record: CorpusRecord): Promise<CorpusVersion> {
  const now = (await documentStore.findCorpus(record))!;
  return now.versions.find(({ version }) => version === now.promotedVersion)!;
}

const SWAPS = 30;
const READS_OF_EACH = 15;

/** What writers, readers and the one who promotes share. */
interface Load extends TwoVersions {
  /** Of the readers and of who promotes. */
  readonly stores: Stores;
  /** Of the writers: opened apart, as by another process. */
  readonly writing: Stores;
  /** Documents that are in both versions all the time; some are written again and again. */
  readonly rewritten: readonly string[];
  readonly always: readonly string[];
  /** How often each version was read. */
  readonly reads: Map<number, number>;
  lastSeq: number;
  isDone: boolean;
}

/** Runs writers and readers until the promotion has swapped often and both versions were read often. Resolves to the reads by version. */
async function swapUnderLoad(stores: Stores, writing: Stores, tenant: string): Promise<ReadonlyMap<number, number>> {
  const rewritten = Array.from({ length: 6 }, (_, n) => `rewritten-${String(n)}`);
  const always = [...rewritten, ...Array.from({ length: 12 }, (_, n) => `kept-${String(n)}`)];
  const corpus = await withTwoVersions(stores, tenant, always);
  const reads = new Map(corpus.versions.map(({ version }) => [version, 0]));
  const load: Load = { ...corpus, stores, writing, rewritten, always, reads, lastSeq: 1, isDone: false };
  const work = [readOn(load, 'dense'), readOn(load, 'hybrid'), readOn(load, 'dense'), writeOn(load, 0), writeOn(load, 1), swapOn(load)];
  // The first that fails ends the others.
  const ended = work.map((part) => part.finally(() => (load.isDone = true)));
  await Promise.allSettled(ended);
  await Promise.all(ended);
  await expectSameDocuments(load);
  return reads;
}

async function readOn(load: Load, mode: 'dense' | 'hybrid'): Promise<void> {
  do {
    const version = await promotedOf(load.stores, load.record);
    const found = await search(load.stores.candidateStore, version, mode);
    expect(found.filter((candidate) => !isOf(version)(candidate))).toEqual([]);
    const ids = new Set(found.map(({ documentId }) => documentId));
    expect(load.always.filter((id) => !ids.has(id))).toEqual([]);
    load.reads.set(version.version, load.reads.get(version.version)! + 1);
  } while (!load.isDone);
}

/** Writes documents again, adds new ones and deletes those of a few steps before, in both versions. */
async function writeOn(load: Load, writer: number): Promise<void> {
  const { candidateStore } = load.writing;
  const newId = (n: number) => `new-${String(writer)}-${String(n % 10)}`;
  for (let n = 0; !load.isDone; n += 1) {
    const seq = (load.lastSeq += 1);
    for (const version of load.versions) {
      const again = documentIn(version, load.rewritten[n % load.rewritten.length]!, seq, 1 + (n % 2));
      await candidateStore.writeDocuments(version, [again, documentIn(version, newId(n), seq)]);
      await candidateStore.deleteDocuments(version, [newId(n + 5)], seq);
    }
  }
}

async function swapOn({ stores, record, reads }: Load): Promise<void> {
  for (let revision = 2; revision <= SWAPS || [...reads.values()].some((count) => count < READS_OF_EACH); revision += 1) {
    const promotedVersion = 1 + ((revision + 1) % 2);
    expect(await stores.documentStore.updateCorpus({ ...record, promotedVersion, revision })).toBe(true);
    expect((await promotedOf(stores, record)).version).toBe(promotedVersion);
  }
}

/** Both versions went through the same writes, and hold nothing that no search finds. */
async function expectSameDocuments({ stores: { candidateStore }, versions }: Load): Promise<void> {
  const ids: Set<string>[] = [];
  for (const version of versions) {
    const found = await search(candidateStore, version);
    expect(found.every(isOf(version))).toBe(true);
    expect(await candidateStore.countPassages(version)).toBe(found.length);
    ids.push(new Set(found.map(({ documentId }) => documentId)));
  }
  expect(ids[0]).toEqual(ids[1]);
}
