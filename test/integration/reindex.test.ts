import { openReindex } from '@rerank-fleet/core/corpora';
import { RerankError } from '@rerank-fleet/core/errors';
import { Embedders } from '@rerank-fleet/worker/pipeline/embedders';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Life } from '../support/life.js';
import { TINY_FAULTS } from '../support/tiny-models/index.js';
import { documentsFor, expectSameIndex, ReindexRig, type DumpedPassage } from './reindex-support.js';

const SHORT = { mode: 'sentences', max_tokens: 16, overlap_tokens: 0 } as const;
/** A document, and then nothing for as long as any test takes. */
const STANDSTILL = { requests_per_second: 0.001 };

let rig: ReindexRig;
beforeAll(async () => {
  rig = await ReindexRig.start();
});
afterAll(() => rig.stop());

const another = () => ({ embedding_model: rig.embedderNames[1] });
const unnumbered = (rows: readonly DumpedPassage[]): DumpedPassage[] => rows.map((row) => ({ ...row, seq: 0 }));

async function promotedDump(corpus: string): Promise<DumpedPassage[]> {
  const { versions, promotedVersion } = await rig.record(corpus);
  return unnumbered(rig.dump(versions.find(({ version }) => version === promotedVersion)!));
}

describe('a deletion of a corpus', () => {
  it.each(['before', 'after'] as const)('under which a process dies %s any of its calls is ended by the next that looks', async (when) => {
    let calls = 1;
    for (let whole = false; !whole; calls += 1) {
      await rig.makeCorpus('halved', documentsFor(3));
      await rig.start('halved', STANDSTILL);
      const life = new Life(calls, when);
      await Promise.race([rig.deleteCorpus('halved', { life }), life.death]);
      const isMarked = (await rig.documents.findCorpus(rig.ref('halved')))?.deleting === true;
      if (isMarked) await expect(rig.start('halved')).rejects.toMatchObject({ code: 'corpus_not_found' });
      await rig.keeper().look();
      const left = await rig.documents.findCorpus(rig.ref('halved'));
      if (left === undefined) expect(rig.indexes('halved')).toEqual([]);
      // It had not begun.
      else expect({ isMarked, found: (await rig.search('halved', 'apple')).results.length }).toEqual({ isMarked: false, found: 3 });
      if (left !== undefined) await rig.deleteCorpus('halved');
      whole = !life.ended;
    }
    expect(calls).toBeGreaterThan(7);
  });

  it('that was cut short takes no upload any more, and leaves its name to another', async () => {
    await rig.makeCorpus('renewed', documentsFor(3));
    // Behind the mark, before the indexes.
    const life = new Life(3, 'after');
    await Promise.race([rig.deleteCorpus('renewed', { life }), life.death]);
    const before = await rig.record('renewed');
    expect(before.deleting).toBe(true);
    await expect(rig.upload('renewed', documentsFor(1))).rejects.toThrow();
    await rig.makeCorpus('renewed', documentsFor(1, 7));
    expect((await rig.record('renewed')).corpusId).not.toBe(before.corpusId);
    expect((await rig.search('renewed', 'apple')).results.map(({ document_id: id }) => id)).toEqual(['d0007']);
    expect(rig.indexes('renewed')).toEqual([1]);
  });
});

describe('an upload', () => {
  it('of a text that cannot be embedded leaves the earlier text of its document in no search, and a better one comes', async () => {
    await rig.makeCorpus('spoilt', documentsFor(3), another());
    const spoilt = { ...documentsFor(1)[0]!, text: `A ${TINY_FAULTS.throws} tree.` };
    await rig.upload('spoilt', [spoilt, ...documentsFor(2, 1)], ['d0000']);
    const found = async () => (await rig.search('spoilt', 'apple 0')).results.map(({ document_id: id }) => id).sort();
    expect(await found()).toEqual(['d0001', 'd0002']);
    expect((await rig.documents.findDocument(await rig.record('spoilt'), 'd0000'))?.text).toBe(spoilt.text);
    await rig.upload('spoilt', documentsFor(1));
    expect(await found()).toEqual(['d0000', 'd0001', 'd0002']);
  });
});

describe('a reindex', () => {
  it('builds with another embedder and other passages what a new corpus of these settings would be, and promotes it', async () => {
    await rig.makeCorpus('whole', documentsFor(60));
    const id = await rig.start('whole', { ...another(), chunking: SHORT }, rig.keeper());
    const reindex = await rig.until('whole', id, 'completed');
    expect(reindex).toMatchObject({ total: 60, created: 60, updated: 0, failed: 0, fromVersion: 1, toVersion: 2 });
    expect(reindex.validation).toMatchObject({ documents: { expected: 60, found: 60 }, repaired: 0, queries: 50, failures: [] });
    expect(reindex.lease).toBeUndefined();
    const record = await rig.record('whole');
    expect(record).toMatchObject({ promotedVersion: 2, settings: { embeddingModel: rig.embedderNames[1], chunking: { maxTokens: 16 } } });
    expect(record.versions.map(({ version, retiredAt }) => [version, retiredAt === undefined])).toEqual([
      [1, false],
      [2, true],
    ]);
    await rig.makeCorpus('fresh', documentsFor(60), { ...another(), chunking: SHORT });
    expectSameIndex(await promotedDump('whole'), await promotedDump('fresh'));
    expect((await rig.search('whole', 'apple 7')).results.map(({ document_id: found }) => found)).toEqual(
      (await rig.search('fresh', 'apple 7')).results.map(({ document_id: found }) => found),
    );
  });

  it('finds all of what the same settings find, in an index that is built anew', async () => {
    await rig.makeCorpus('anew', documentsFor(40));
    const id = await rig.start('anew', { validation: { sample: 40, min_overlap: 1 } }, rig.keeper());
    expect((await rig.until('anew', id, ['completed', 'failed'])).validation).toMatchObject({ queries: 40, overlap: 1, failures: [] });
  });

  it('is one a corpus; the same start twice is one as well, also after its end', async () => {
    await rig.makeCorpus('single', documentsFor(5));
    const keeper = rig.keeper();
    const id = await rig.start('single', STANDSTILL, keeper);
    await expect(rig.start('single')).rejects.toMatchObject({ code: 'reindex_in_progress' });
    await rig.startAgain('single', id);
    await rig.control('single', id, { kind: 'cancel' }, keeper);
    await rig.startAgain('single', id);
    expect((await rig.record('single')).reindexes).toMatchObject([{ id, status: 'cancelled' }]);
  });

  it('of an empty corpus is done at once', async () => {
    await rig.makeCorpus('empty');
    const id = await rig.start('empty', { ...another(), validation: { sample: 50, min_overlap: 1 } }, rig.keeper());
    expect((await rig.until('empty', id, ['completed', 'failed'])).validation).toMatchObject({ queries: 0, failures: [] });
  });
});

describe('a reindex under way', () => {
  it('takes another rate, also in a long pause, and tells how long it paused', async () => {
    await rig.makeCorpus('throttled', documentsFor(30));
    const keeper = rig.keeper();
    const id = await rig.start('throttled', STANDSTILL, keeper);
    await expect.poll(async () => (await rig.reindex('throttled', id)).created).toBe(1);
    await expect.poll(async () => (await rig.reindex('throttled', id)).throttledMs).toBeGreaterThan(100);
    await rig.control('throttled', id, { kind: 'rethrottle', requests_per_second: 60 });
    await expect.poll(async () => (await rig.reindex('throttled', id)).created, { interval: 5 }).toBeGreaterThan(1);
    await rig.control('throttled', id, { kind: 'rethrottle', requests_per_second: null });
    const { requestsPerSecond, created, throttledMs } = await rig.until('throttled', id, 'completed');
    expect({ requestsPerSecond, created }).toEqual({ requestsPerSecond: undefined, created: 30 });
    expect(rig.metered.throttledMs).toBeGreaterThanOrEqual(throttledMs);
  });

  it('stops in the middle of an embedding when it is cancelled, and leaves nothing', async () => {
    await rig.makeCorpus('cancelled', documentsFor(20));
    const embedding = Promise.withResolvers<AbortSignal>();
    const keeper = rig.keeper({
      cutDocuments: (_, __, signal) => {
        embedding.resolve(signal);
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      },
    });
    const id = await rig.start('cancelled', another(), keeper);
    const signal = await embedding.promise;
    expect(rig.indexes('cancelled')).toEqual([1, 2]);
    await rig.control('cancelled', id, { kind: 'cancel' });
    await expect.poll(() => signal.aborted).toBe(true);
    await keeper.idle();
    expect(rig.indexes('cancelled')).toEqual([1]);
    expect(await rig.record('cancelled')).toMatchObject({ versions: [{ version: 1 }], dropping: [], promotedVersion: 1 });
    const next = await rig.start('cancelled', another(), rig.keeper());
    // Numbers are not given twice.
    expect(await rig.until('cancelled', next, 'completed')).toMatchObject({ toVersion: 3 });
  });

  it('ends with its corpus, and touches no other of the name', async () => {
    await rig.makeCorpus('deleted', documentsFor(20));
    const keeper = rig.keeper();
    await rig.start('deleted', { ...another(), ...STANDSTILL }, keeper);
    await expect.poll(() => rig.indexes('deleted')).toEqual([1, 2]);
    await rig.deleteCorpus('deleted');
    await rig.makeCorpus('deleted', documentsFor(3));
    await keeper.idle();
    expect(rig.indexes('deleted')).toEqual([1]);
    expect((await promotedDump('deleted')).map(({ document_id: id }) => id)).toEqual(['d0000', 'd0001', 'd0002']);
    expect(await rig.documents.listUnsettled()).not.toContainEqual(rig.ref('deleted'));
  });

  it('and its corpus outlive a deletion of the one before of that name, which is delivered again', async () => {
    await rig.makeCorpus('redelivered', documentsFor(2));
    const { corpusId } = await rig.record('redelivered');
    await rig.deleteCorpus('redelivered', { corpusId });
    await rig.makeCorpus('redelivered', documentsFor(3));
    await expect(rig.deleteCorpus('redelivered', { corpusId })).rejects.toMatchObject({ code: 'corpus_not_found' });
    expect(rig.indexes('redelivered')).toEqual([1]);
    expect(await rig.documents.countDocuments(await rig.record('redelivered'))).toBe(3);
  });

  it('waits for a store that is away, says so, and embeds nothing twice', async () => {
    await rig.makeCorpus('outage', documentsFor(20));
    const parts = rig.parts();
    const [embedded, failing] = [new Map<string, number>(), { writes: 6 }];
    const told = new Set<string>();
    const keeper = rig.keeper({
      cutDocuments: (documents, version, signal) => {
        for (const { id } of documents) embedded.set(id, (embedded.get(id) ?? 0) + 1);
        return parts.cutDocuments(documents, version, signal);
      },
      candidates: between(parts.candidates, {
        writeDocuments: async (...values) => {
          for (const { waiting } of (await rig.record('outage')).reindexes ?? []) if (waiting !== undefined) told.add(waiting.code);
          if ((failing.writes -= 1) >= 0) throw new RerankError('candidate_store_unavailable', 'It is away.');
          await parts.candidates.writeDocuments(...values);
        },
      }),
      limits: { ...parts.limits, saveMs: 0 },
    });
    const id = await rig.start('outage', another(), keeper);
    const { waiting, created } = await rig.until('outage', id, 'completed');
    expect({ waiting, created, told: [...told] }).toEqual({ waiting: undefined, created: 20, told: ['candidate_store_unavailable'] });
    expect(new Set(embedded.values())).toEqual(new Set([1]));
  });

  it('leaves out a document that the new embedder cannot take, and tells which', async () => {
    const bad = { id: 'bad', text: `A ${TINY_FAULTS.throws} tree.` };
    await rig.makeCorpus('faults', [...documentsFor(150), bad, { id: 'nan', text: TINY_FAULTS.notANumber }]);
    await rig.deleteDocuments('faults', ['nan']);
    const id = await rig.start('faults', another(), rig.keeper());
    const reindex = await rig.until('faults', id, ['completed', 'failed']);
    expect(reindex).toMatchObject({
      status: 'completed',
      created: 150,
      failed: 1,
      failures: [{ documentId: 'bad', code: 'internal_error' }],
    });
    expect(reindex.validation).toMatchObject({ documents: { expected: 150, found: 150 }, repaired: 0, failures: [] });
  });

  it('is not promoted by itself if it loses more than a few', async () => {
    await rig.makeCorpus('lossy', [...documentsFor(20), { id: 'bad', text: TINY_FAULTS.notANumber }]);
    const id = await rig.start('lossy', another(), rig.keeper());
    const { status, error } = await rig.until('lossy', id, ['completed', 'failed']);
    expect({ status, error }).toMatchObject({ status: 'failed', error: { detail: expect.stringContaining('1 documents') as string } });
    expect(await rig.record('lossy')).toMatchObject({ promotedVersion: 1 });
  });
});

describe('a worker that works on a reindex', () => {
  it('gives it back when it stops, and another goes on from there at once', async () => {
    await rig.makeCorpus('handover', documentsFor(30));
    const [first, second] = [rig.keeper(), rig.keeper()];
    const id = await rig.start('handover', { ...another(), requests_per_second: 8 }, first);
    await expect.poll(async () => (await rig.reindex('handover', id)).created, { interval: 5 }).toBeGreaterThan(0);
    await second.look();
    expect((await rig.reindex('handover', id)).lease?.fence).toBe(1);
    await first.stop();
    const left = await rig.reindex('handover', id);
    expect(left.lease).toMatchObject({ fence: 1, until: 0 });
    expect(left.checkpoint).toBeDefined();
    await rig.control('handover', id, { kind: 'rethrottle', requests_per_second: null });
    await second.look();
    expect(await rig.until('handover', id, 'completed')).toMatchObject({ created: 30, updated: 0 });
  });

  it('is followed by another when its lease is over', async () => {
    await rig.makeCorpus('expired', documentsFor(30));
    const life = new Life(30, 'before');
    const parts = rig.parts({ leaseMs: 300, saveMs: 0, beatMs: 600_000 });
    const dead = rig.keeper({ ...parts, documents: life.through(parts.documents), candidates: life.through(parts.candidates) }, false);
    const id = await rig.start('expired', another(), dead);
    await life.death;
    const heir = rig.keeper(parts);
    await expect.poll(() => heir.look().then(() => rig.reindex('expired', id)), { timeout: 10_000 }).toMatchObject({ status: 'completed' });
  });

  it('and dies under a document has successors: they go one by one, and leave that one out when it is proved', async () => {
    const documents = documentsFor(150);
    await rig.makeCorpus('deadly', documents);
    const parts = rig.parts({ leaseMs: 0, saveMs: 0, beatMs: 600_000, pageDocuments: 16 });
    let deaths = -1;
    for (let isOver = false; !isOver; deaths += 1) {
      const life = new Life(10_000, 'before');
      const keeper = rig.keeper(
        {
          ...parts,
          documents: life.through(parts.documents),
          candidates: life.through(parts.candidates),
          cutDocuments: (cut, version, signal) => {
            if (cut.some(({ id }) => id === 'd0040')) life.end();
            return life.ended ? new Promise(() => undefined) : parts.cutDocuments(cut, version, signal);
          },
        },
        false,
      );
      if (deaths === -1) await rig.start('deadly', another());
      await Promise.race([keeper.look().then(() => keeper.idle()), life.death]);
      isOver = !life.ended;
    }
    // Two at its place and three with nothing beside it; and before those one at most for each page that was in flight with it.
    expect(deaths).toBeGreaterThanOrEqual(5);
    expect(deaths).toBeLessThanOrEqual(5 + parts.limits.pagesInFlight);
    const record = await rig.record('deadly');
    expect(record.reindexes).toMatchObject([
      { status: 'completed', failed: 1, failures: [{ documentId: 'd0040', code: 'internal_error' }], validation: { repaired: 0 } },
    ]);
    expect(record.reindexes?.[0]?.care).toBeUndefined();
    expect(new Set((await promotedDump('deadly')).map(({ document_id: id }) => id))).toEqual(
      new Set(documents.map(({ id }) => id).filter((id) => id !== 'd0040')),
    );
  });

  it('holds the new embedder; where none does, the reindex says what it waits for', async () => {
    await rig.makeCorpus('unattended', documentsFor(10));
    const id = await rig.start('unattended', another());
    const embedders = new Embedders([{ embedder: rig.models.embedders.default, names: [] }]);
    const without = rig.keeper({ embedders, limits: rig.parts({ unattendedMs: 0 }).limits });
    await without.look();
    expect(await rig.reindex('unattended', id)).toMatchObject({
      status: 'building',
      waiting: { code: 'model_unavailable', detail: expect.stringContaining(rig.embedderNames[1]) as string },
    });
    await rig.keeper().look();
    expect((await rig.until('unattended', id, 'completed')).waiting).toBeUndefined();
  });
});

describe('a version that is ready', () => {
  it('is promoted by hand, and not before', async () => {
    await rig.makeCorpus('manual', documentsFor(30));
    const keeper = rig.keeper();
    const id = await rig.start(
      'manual',
      { ...another(), promote: 'manual', ...STANDSTILL, validation: { sample: 5, min_overlap: 1 } },
      keeper,
    );
    await expect(rig.control('manual', id, { kind: 'promote' })).rejects.toMatchObject({ code: 'reindex_in_progress' });
    await rig.control('manual', id, { kind: 'rethrottle', requests_per_second: null }, keeper);
    const ready = await rig.until('manual', id, 'ready');
    expect(ready.validation?.failures).toEqual([expect.stringContaining('less than 1')]);
    await rig.upload('manual', [{ id: 'late', text: 'sugar oven pie' }]);
    expect(await rig.record('manual')).toMatchObject({ promotedVersion: 1 });
    await rig.control('manual', id, { kind: 'promote' }, keeper);
    await rig.control('manual', id, { kind: 'promote' }, keeper);
    expect(await rig.record('manual')).toMatchObject({ promotedVersion: 2, reindexes: [{ status: 'completed' }] });
    expect((await rig.search('manual', 'sugar oven pie')).results.map(({ document_id: found }) => found)).toContain('late');
  });

  it('is given up if it is not what was asked for', async () => {
    await rig.makeCorpus('unlike', documentsFor(30));
    const before = await rig.search('unlike', 'apple tree');
    const relevant = Object.fromEntries(before.results.map(({ document_id: found }, rank) => [found, 10 - rank]));
    const validation = { sample: 5, judged: [{ query: 'apple tree', relevant }], min_ndcg_ratio: 1.01 };
    const id = await rig.start('unlike', { ...another(), validation }, rig.keeper());
    const { status, error, checks, validation: found } = await rig.until('unlike', id, ['failed', 'completed']);
    expect({ status, code: error?.code }).toEqual({ status: 'failed', code: 'invalid_request' });
    expect(found).toMatchObject({ queries: 1, ndcg: { before: 1 }, failures: [expect.stringContaining('nDCG@10')] });
    // They are long, and the record is read with every request.
    expect(checks.judged).toBeUndefined();
    await expect.poll(() => rig.indexes('unlike')).toEqual([1]);
  });
});

describe('a promotion that is taken back', () => {
  it('keeps what was written and deleted since', async () => {
    await rig.makeCorpus('back', documentsFor(30));
    const keeper = rig.keeper();
    const id = await rig.start('back', another(), keeper);
    await rig.until('back', id, 'completed');
    const changed = { ...documentsFor(1, 3)[0]!, text: 'stock price market' };
    await rig.upload('back', [changed, { id: 'new', text: 'sugar oven pie' }]);
    await rig.deleteDocuments('back', ['d0005']);
    await rig.control('back', id, { kind: 'rollback' }, keeper);
    await rig.control('back', id, { kind: 'rollback' }, keeper);
    const record = await rig.record('back');
    expect(record).toMatchObject({ promotedVersion: 1, settings: { embeddingModel: rig.embedderNames[0] } });
    const documents = [...documentsFor(30).filter(({ id: old }) => old !== 'd0003' && old !== 'd0005'), changed];
    await rig.makeCorpus('back-wanted', [...documents, { id: 'new', text: 'sugar oven pie' }]);
    expectSameIndex(await promotedDump('back'), await promotedDump('back-wanted'));
    const again = await rig.start('back', another(), keeper);
    expect(await rig.until('back', again, 'completed')).toMatchObject({ fromVersion: 1, toVersion: 3 });
  });

  it('is refused when the version before is gone', async () => {
    await rig.makeCorpus('gone', documentsFor(10));
    const keeper = rig.keeper({ limits: rig.parts({ leastKeepMs: 0 }).limits });
    const id = await rig.start('gone', { ...another(), keep_previous_s: 0 }, keeper);
    await rig.until('gone', id, 'completed');
    await expect.poll(() => rig.indexes('gone')).toEqual([2]);
    await expect(rig.control('gone', id, { kind: 'rollback' })).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe('a retired version', () => {
  it('stays as long as a request may take that pinned it, whatever was asked for', async () => {
    await rig.makeCorpus('pinned', documentsFor(10));
    const [pinned] = (await rig.record('pinned')).versions;
    let later = 0;
    const keeper = rig.keeper({ now: () => Date.now() + later });
    const id = await rig.start('pinned', { ...another(), keep_previous_s: 0 }, keeper);
    await rig.until('pinned', id, 'completed');
    await keeper.look();
    expect((await rig.search('pinned', 'apple', pinned)).results.length).toBeGreaterThan(0);
    later = 661_000;
    await keeper.look();
    expect(rig.indexes('pinned')).toEqual([2]);
    await expect(rig.search('pinned', 'apple', pinned)).rejects.toMatchObject({ code: 'corpus_not_found' });
  });

  it('goes when no worker has held its embedder for a while, as it would hold up every write', async () => {
    await rig.makeCorpus('unheld', documentsFor(10));
    let later = 0;
    const held = new Set(rig.models.embedders.all.slice(1).map(({ sha256 }) => sha256));
    const keeper = rig.keeper({ now: () => Date.now() + later, heldModels: () => Promise.resolve(held) });
    const id = await rig.start('unheld', another(), keeper);
    await rig.until('unheld', id, 'completed');
    await keeper.look();
    await keeper.look();
    expect(rig.indexes('unheld')).toEqual([1, 2]);
    later = 61_000;
    await keeper.look();
    expect(rig.indexes('unheld')).toEqual([2]);
    expect(openReindex(await rig.record('unheld'))).toBeUndefined();
  });
});

/** The same object but for some methods. */
function between<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const own: unknown = Reflect.get(methods, name);
      const member: unknown = own ?? Reflect.get(target, name, target);
      return typeof member === 'function' && own === undefined ? (member.bind(target) as unknown) : member;
    },
  });
}
