import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import type { CorpusRecord, PendingDelete } from '@rerank-fleet/core/domain';
import { InvariantError, RerankError } from '@rerank-fleet/core/errors';
import { corpusTask, type CorpusParts } from '@rerank-fleet/worker/ingest/corpus-task';
import { deleteDocuments } from '@rerank-fleet/worker/ingest/delete-documents';
import { DeletionRetries } from '@rerank-fleet/worker/ingest/deletion-retries';
import { settleDeletes } from '@rerank-fleet/worker/ingest/settle-deletes';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { indexed, passage, recordOf, stored, versionOf } from '../conformance/store-fixtures.js';
import type { Stores } from '../conformance/stores.js';
import { Life } from '../support/life.js';
import { OneFailure } from '../support/one-failure.js';
import { describeWithRecording } from '../support/qdrant-replay-recording.js';
import { startReplayServer, type ReplayServer } from '../support/qdrant-replay-server.js';

const BEGUN_AT = 1_700_000_000_000;
const NEVER = 10_000;
const IDS = ['d0', 'd1', 'd2', 'd3', 'd4'];
/** What both deletions below name: those of an even year. */
const CHOSEN = ['d0', 'd2', 'd4'];
const KINDS = ['by ids', 'by a filter'] as const;
type Kind = (typeof KINDS)[number];
const WAYS = KINDS.flatMap((kind) => (['before', 'after'] as const).map((when) => [kind, when] as const));

let tenants = 0;
const log = { info: () => undefined, warn: () => undefined };

function pendingDelete({ tenant, corpus, corpusId }: CorpusRecord, kind: Kind): PendingDelete {
  const chosen =
    kind === 'by ids' ? { documentIds: [...CHOSEN, 'never-there'] } : { filter: { must: [{ key: 'even', match: { value: true } }] } };
  return { tenant, corpus, corpusId, id: `${tenant}-5`, seq: 5, begunAt: BEGUN_AT, ...chosen };
}

/** Five documents in the record and in two versions, one of which is being built. */
async function filledCorpus({ documentStore, candidateStore }: Stores): Promise<CorpusRecord> {
  const tenant = `delete${String((tenants += 1))}`;
  const versions = [versionOf(tenant, 1), versionOf(tenant, 2)];
  const record = { ...recordOf(versions[0]!), versions };
  await documentStore.createCorpus(record);
  const metadata = (n: number) => ({ even: n % 2 === 0 });
  await documentStore.putDocuments(
    record,
    IDS.map((id, n) => stored(id, 1, `text of ${id}`, metadata(n))),
  );
  for (const version of versions) {
    await candidateStore.createVersion(version);
    await candidateStore.writeDocuments(
      version,
      IDS.map((id, n) => indexed(id, 1, [passage(0, n, { 1: 1 }), passage(1, n, { 1: 1 })], metadata(n))),
    );
  }
  return record;
}

/** What record and versions hold; the same in all of them, or the test fails. */
async function held({ documentStore, candidateStore }: Stores, record: CorpusRecord, how: string): Promise<readonly string[]> {
  const { documents } = await documentStore.scanDocuments(record, { limit: 50 });
  const ids = documents.map(({ id }) => id).sort();
  for (const version of record.versions) {
    const found = await candidateStore.retrieve(version, { mode: 'dense', dense: passage(0, 0, {}).dense, limit: 50 });
    const indexedIds = [...new Set(found.map(({ documentId }) => documentId))].sort();
    expect({ how, version: version.version, ids: indexedIds }).toEqual({ how, version: version.version, ids });
  }
  return ids;
}

/** What the queue was given: it does nothing with it. */
class Handed {
  readonly ids: string[] = [];
  has = ({ id }: Pick<PendingDelete, 'id'>): Promise<boolean> => Promise.resolve(this.ids.includes(id));
  take = async (pending: PendingDelete): Promise<void> => {
    if (!(await this.has(pending))) this.ids.push(pending.id);
  };
}

const settle = (stores: Stores, afterMs = 60_000, refused = new Handed()): Promise<void> =>
  settleDeletes({ documents: stores.documentStore, candidates: stores.candidateStore, refused, now: () => BEGUN_AT + afterMs, log });

/** A store that refuses that call for good, as a server does that finds fault with it. */
function refusing<T extends object>(target: T, refused: keyof T): T {
  return new Proxy(target, {
    get: (_, name) => {
      const member = Reflect.get(target, name, target) as (...values: unknown[]) => Promise<unknown>;
      if (name === refused) return () => Promise.reject(new InvariantError('The request was refused with status 400.'));
      return (...values: unknown[]) => Reflect.apply(member, target, values);
    },
  });
}

/** What a worker has to delete documents: as it is young, no sweep of other workers would look after it. */
function worker(
  stores: Stores,
  failure = new OneFailure(NEVER, 'before'),
  refused = new Handed(),
): { task: ReturnType<typeof corpusTask>; retries: DeletionRetries } {
  const parts = {
    documents: failure.through(stores.documentStore),
    candidates: failure.through(stores.candidateStore),
    now: () => BEGUN_AT,
  };
  const retries = new DeletionRetries({ ...parts, refused, log, pauseMs: () => 1 });
  const unused = {} as Pick<CorpusParts, 'embedders' | 'external'>;
  return { task: corpusTask({ ...parts, ...unused, onReindex: () => undefined, onDeletionCut: (cut) => retries.take(cut) }), retries };
}

/** Has a worker's task delete documents. */
async function runDelete(
  task: ReturnType<typeof worker>['task'],
  record: CorpusRecord,
  { kind, seq }: { readonly kind: Kind; readonly seq: number },
): Promise<unknown> {
  const { corpus, corpusId: corpus_id, tenant } = record;
  const { documentIds: ids, filter } = pendingDelete(record, kind);
  const change = { op: 'delete_documents', corpus_id, seq, ...(ids === undefined ? { filter } : { ids: [...ids] }) } as const;
  return await task({ kind: 'corpus', corpus, change }, { tenant } as Parameters<typeof task>[1]);
}

async function pendingOf({ documentStore }: Stores, { tenant }: CorpusRecord): Promise<readonly PendingDelete[]> {
  return (await documentStore.listPendingDeletes()).filter((pending) => pending.tenant === tenant);
}

function describeDeletions(open: () => Stores): void {
  const through = (life: Life) => ({
    documents: life.through(open().documentStore),
    candidates: life.through(open().candidateStore),
  });
  const alive = () => through(new Life(NEVER, 'before'));

  it.each(KINDS)('%s takes the documents from the record and from every version, and leaves no trace of itself', async (kind) => {
    const record = await filledCorpus(open());
    expect(await deleteDocuments(alive(), pendingDelete(record, kind))).toBe(3);
    expect(await held(open(), record, kind)).toEqual(['d1', 'd3']);
    expect(await pendingOf(open(), record)).toEqual([]);
  });

  it.each(WAYS)('%s under which a process dies %s any of its calls is carried through, or has not begun', async (kind, when) => {
    let calls = 1;
    for (let whole = false; !whole; calls += 1) {
      const record = await filledCorpus(open());
      const life = new Life(calls, when);
      const work = deleteDocuments(through(life), pendingDelete(record, kind));
      await Promise.race([work, life.death]);
      const hasBegun = (await pendingOf(open(), record)).length > 0;
      await settle(open());
      const how = `died ${when} call ${String(calls)}`;
      const left = await held(open(), record, how);
      whole = !life.ended;
      expect({ how, left }).toEqual({ how, left: hasBegun || calls > 2 ? ['d1', 'd3'] : IDS });
      expect(await pendingOf(open(), record)).toEqual([]);
    }
    // As many as its begin, the record, two versions and its end make, at least.
    expect(calls).toBeGreaterThan(6);
  });

  it('by a filter that is delivered again ends what the first delivery left, before it answers', async () => {
    for (let calls = 1, whole = false; !whole; calls += 1) {
      const record = await filledCorpus(open());
      const life = new Life(calls, 'after');
      await Promise.race([deleteDocuments(through(life), pendingDelete(record, 'by a filter')), life.death]);
      await deleteDocuments(alive(), pendingDelete(record, 'by a filter'));
      expect(await held(open(), record, `died after call ${String(calls)}`)).toEqual(['d1', 'd3']);
      expect(await pendingOf(open(), record)).toEqual([]);
      whole = !life.ended;
    }
  });

  it.each(WAYS)('%s that is delivered again after a process died %s any of its calls says how many it took in all', async (kind, when) => {
    for (let calls = 1, whole = false; !whole; calls += 1) {
      const record = await filledCorpus(open());
      const life = new Life(calls, when);
      await Promise.race([deleteDocuments(through(life), pendingDelete(record, kind)), life.death]);
      const deleted = await deleteDocuments(alive(), pendingDelete(record, kind));
      expect({ how: `died ${when} call ${String(calls)}`, deleted }).toMatchObject({ deleted: 3 });
      whole = !life.ended;
    }
  });

  it.each(WAYS)(
    '%s that fails %s any of its calls goes on in its worker, which does not wait until it seems left alone',
    async (kind, when) => {
      let calls = 1;
      for (let whole = false; !whole; calls += 1) {
        const record = await filledCorpus(open());
        const { seq, documentIds: ids, filter } = pendingDelete(record, kind);
        const failure = new OneFailure(calls, when);
        const { task, retries } = worker(open(), failure);
        const change = {
          op: 'delete_documents',
          corpus_id: record.corpusId,
          seq,
          ...(ids === undefined ? { filter } : { ids: [...ids] }),
        } as const;
        const work = task({ kind: 'corpus', corpus: record.corpus, change }, { tenant: record.tenant } as Parameters<typeof task>[1]);
        const outcome = await work.catch((error: unknown) => error);
        whole = !failure.isOver;
        if (whole) expect(outcome).toMatchObject({ deleted: 3 });
        else expect(outcome).toMatchObject({ code: 'candidate_store_unavailable' });
        const how = `failed ${when} call ${String(calls)}`;
        // The first call looks for the corpus, the second writes the deletion down.
        const hasBegun = calls > 2 || (calls === 2 && when === 'after');
        await expect.poll(() => pendingOf(open(), record), { timeout: 20_000 }).toEqual([]);
        await retries.stop();
        expect({ how, left: await held(open(), record, how) }).toEqual({ how, left: hasBegun ? ['d1', 'd3'] : IDS });
      }
      expect(calls).toBeGreaterThan(6);
    },
  );

  it('that its worker cannot carry through is left to the others when that one stops', async () => {
    const record = await filledCorpus(open());
    const pending = pendingDelete(record, 'by ids');
    await open().documentStore.beginDelete(pending);
    const away = {
      ...open(),
      candidateStore: new Proxy(open().candidateStore, {
        get: () => () => Promise.reject(new RerankError('candidate_store_unavailable', 'Away.')),
      }),
    };
    let attempts = 0;
    const parts = { documents: away.documentStore, candidates: away.candidateStore, refused: new Handed(), now: () => BEGUN_AT, log };
    const retries = new DeletionRetries({ ...parts, pauseMs: (failures) => ((attempts = failures), 1) });
    retries.take(pending);
    await expect.poll(() => attempts, { timeout: 20_000 }).toBeGreaterThan(2);
    await retries.stop();
    expect(await pendingOf(open(), record)).toEqual([pending]);
    await settle(open());
    expect(await held(open(), record, 'settled')).toEqual(['d1', 'd3']);
  });

  it.each([
    ['by ids', 'deleteDocuments'],
    ['by a filter', 'scanDocuments'],
  ] as const)('%s that the record refuses for good fails once, and is not written down any more', async (kind, refused) => {
    const record = await filledCorpus(open());
    const { task, retries } = worker({ ...open(), documentStore: refusing(open().documentStore, refused) });
    // Its own: deletions are told apart by it, and one that another test left would stand for this one.
    const seq = 100 + tenants;
    await expect(runDelete(task, record, { kind, seq })).rejects.toThrow('refused with status 400');
    await retries.stop();
    expect(await pendingOf(open(), record)).toEqual([]);
    expect(await held(open(), record, 'refused')).toEqual(IDS);
  });

  it.each([
    ['by ids', 'deleteDocuments'],
    ['by a filter', 'scanDocuments'],
  ] as const)('%s that is refused for good, and that its worker left written down, is ended by the sweep', async (kind, refused) => {
    const record = await filledCorpus(open());
    await open().documentStore.beginDelete(pendingDelete(record, kind));
    await settle({ ...open(), documentStore: refusing(open().documentStore, refused) });
    expect(await pendingOf(open(), record)).toEqual([]);
    expect(await held(open(), record, 'refused')).toEqual(IDS);
  });

  it.each(KINDS)('%s that an index refuses stays written down while its documents are gone from the record', async (kind) => {
    const record = await filledCorpus(open());
    const refused = { documents: open().documentStore, candidates: refusing(open().candidateStore, 'deleteDocuments') };
    await expect(deleteDocuments(refused, pendingDelete(record, kind))).rejects.toThrow('refused with status 400');
    const handed = new Handed();
    for (let sweep = 1; sweep <= 3; sweep += 1) await settle({ ...open(), candidateStore: refused.candidates }, 60_000, handed);
    expect(await pendingOf(open(), record)).not.toEqual([]);
    // The queue has it, once, and not its pages beside it.
    expect(handed.ids).toEqual([pendingDelete(record, kind).id]);
    await settle(open());
    expect(await pendingOf(open(), record)).toEqual([]);
    expect(await held(open(), record, 'carried through')).toEqual(['d1', 'd3']);
  });

  it.each(KINDS)('%s that an index refuses is tried once more by its worker, and goes to the queue', async (kind) => {
    const record = await filledCorpus(open());
    const handed = new Handed();
    let calls = 0;
    const candidates = new Proxy(refusing(open().candidateStore, 'deleteDocuments'), {
      get: (target, name, receiver) => {
        if (name === 'deleteDocuments') calls += 1;
        return Reflect.get(target, name, receiver) as unknown;
      },
    });
    const { task, retries } = worker({ ...open(), candidateStore: candidates }, undefined, handed);
    const seq = 1_000 + tenants;
    await expect(runDelete(task, record, { kind, seq })).rejects.toThrow('refused with status 400');
    await expect.poll(() => handed.ids, { timeout: 20_000 }).toEqual([String(seq)]);
    await retries.stop();
    expect(calls).toBe(2);
    await settle(open());
    expect(await held(open(), record, 'carried through')).toEqual(['d1', 'd3']);
  });

  it('is left to who began it for a while', async () => {
    const record = await filledCorpus(open());
    const pending = pendingDelete(record, 'by ids');
    await open().documentStore.beginDelete(pending);
    await settle(open(), 5_000);
    expect(await pendingOf(open(), record)).toEqual([pending]);
    expect(await held(open(), record, 'young')).toEqual(IDS);
  });

  it('that comes late leaves documents that were written since', async () => {
    const record = await filledCorpus(open());
    await open().documentStore.beginDelete(pendingDelete(record, 'by ids'));
    await open().documentStore.putDocuments(record, [stored('d0', 9)]);
    for (const version of record.versions)
      await open().candidateStore.writeDocuments(version, [indexed('d0', 9, [passage(0, 0, { 1: 1 })])]);
    await settle(open());
    expect(await held(open(), record, 'late')).toEqual(['d0', 'd1', 'd3']);
  });

  it('of a corpus that went is forgotten, and touches no other of the name', async () => {
    const record = await filledCorpus(open());
    await open().documentStore.beginDelete(pendingDelete(record, 'by ids'));
    await open().documentStore.deleteCorpus(record);
    const versions = record.versions.map((version) => ({ ...version, corpusId: 'second' }));
    const now = { ...record, corpusId: 'second', versions };
    await open().documentStore.createCorpus(now);
    await open().documentStore.putDocuments(now, [stored('d0', 2)]);
    await settle(open());
    expect(await pendingOf(open(), record)).toEqual([]);
    expect(await open().documentStore.countDocuments(now)).toBe(1);
  });
}

describe('a deletion on the embedded store', () => {
  let directory: string;
  let stores: Stores;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rerank-deletes-'));
    stores = openEmbeddedStores({ directory });
  });
  afterAll(async () => {
    await Promise.all([stores.documentStore.close(), stores.candidateStore.close()]);
    await rm(directory, { recursive: true, force: true });
  });
  describeDeletions(() => stores);
});

describeWithRecording('a deletion on Qdrant', () => {
  let server: ReplayServer;
  let stores: Stores;
  beforeAll(async () => {
    server = await startReplayServer();
    stores = openQdrantStores({ url: server.url, timeoutMs: 5_000 });
  });
  afterEach(() => {
    server.intercept = undefined;
    expect(server.objections).toEqual([]);
  });
  afterAll(() => server.close());
  describeDeletions(() => stores);

  it.each(KINDS)('%s whose requests stop coming through at any of them is carried through, or has not begun', async (kind) => {
    let requests = 0;
    for (let whole = false; !whole; requests += 1) {
      const record = await filledCorpus(stores);
      let sent = 0;
      server.intercept = () => ((sent += 1) > requests ? { status: 503, body: { status: { error: 'made up' } } } : undefined);
      const parts = { documents: stores.documentStore, candidates: stores.candidateStore };
      const outcome = await deleteDocuments(parts, pendingDelete(record, kind)).catch((error: unknown) => error);
      server.intercept = undefined;
      whole = typeof outcome === 'number';
      if (!whole) expect(outcome).toMatchObject({ code: 'candidate_store_unavailable' });
      const hasBegun = whole || (await pendingOf(stores, record)).length > 0;
      await settle(stores);
      const how = `no more than ${String(requests)} requests`;
      expect({ how, left: await held(stores, record, how) }).toEqual({ how, left: hasBegun ? ['d1', 'd3'] : IDS });
    }
    expect(requests).toBeGreaterThan(8);
  });
});
