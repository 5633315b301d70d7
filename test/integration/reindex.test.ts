import { RerankError } from '@rerank-fleet/core/errors';
import { Embedders } from '@rerank-fleet/worker/pipeline/embedders';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Life } from '../support/life.js';
import { TINY_FAULTS } from '../support/tiny-models/index.js';
import { between, documentsFor, expectSameIndex, ReindexRig, STANDSTILL } from './reindex-support.js';

const SHORT = { mode: 'sentences', max_tokens: 16, overlap_tokens: 0 } as const;

let rig: ReindexRig;
beforeAll(async () => {
  rig = await ReindexRig.start();
});
afterAll(() => rig.stop());

describe('a reindex', () => {
  it('builds with another embedder and other passages what a new corpus of these settings would be, and promotes it', async () => {
    await rig.makeCorpus('whole', documentsFor(60));
    const id = await rig.start('whole', { ...rig.another(), chunking: SHORT }, rig.keeper());
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
    await rig.makeCorpus('fresh', documentsFor(60), { ...rig.another(), chunking: SHORT });
    expectSameIndex(await rig.promotedDump('whole'), await rig.promotedDump('fresh'));
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
    const id = await rig.start('empty', { ...rig.another(), validation: { sample: 50, min_overlap: 1 } }, rig.keeper());
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
    const id = await rig.start('cancelled', rig.another(), keeper);
    const signal = await embedding.promise;
    expect(rig.indexes('cancelled')).toEqual([1, 2]);
    await rig.control('cancelled', id, { kind: 'cancel' });
    await expect.poll(() => signal.aborted).toBe(true);
    await keeper.idle();
    expect(rig.indexes('cancelled')).toEqual([1]);
    expect(await rig.record('cancelled')).toMatchObject({ versions: [{ version: 1 }], dropping: [], promotedVersion: 1 });
    const next = await rig.start('cancelled', rig.another(), rig.keeper());
    // Numbers are not given twice.
    expect(await rig.until('cancelled', next, 'completed')).toMatchObject({ toVersion: 3 });
  });

  it('ends with its corpus, and touches no other of the name', async () => {
    await rig.makeCorpus('deleted', documentsFor(20));
    const keeper = rig.keeper();
    await rig.start('deleted', { ...rig.another(), ...STANDSTILL }, keeper);
    await expect.poll(() => rig.indexes('deleted')).toEqual([1, 2]);
    await rig.deleteCorpus('deleted');
    await rig.makeCorpus('deleted', documentsFor(3));
    await keeper.idle();
    expect(rig.indexes('deleted')).toEqual([1]);
    expect((await rig.promotedDump('deleted')).map(({ document_id: id }) => id)).toEqual(['d0000', 'd0001', 'd0002']);
    expect(await rig.documents.listUnsettled()).not.toContainEqual(rig.ref('deleted'));
  });

  it('and its corpus outlive a deletion of the one before of that name, which is delivered again', async () => {
    await rig.makeCorpus('redelivered', documentsFor(2));
    const { corpusId } = await rig.record('redelivered');
    await rig.deleteCorpus('redelivered', { corpusId });
    await rig.makeCorpus('redelivered', documentsFor(3));
    await rig.deleteCorpus('redelivered', { corpusId });
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
    const id = await rig.start('outage', rig.another(), keeper);
    const { waiting, created } = await rig.until('outage', id, 'completed');
    expect({ waiting, created, told: [...told] }).toEqual({ waiting: undefined, created: 20, told: ['candidate_store_unavailable'] });
    expect(new Set(embedded.values())).toEqual(new Set([1]));
  });

  it('leaves out a document that the new embedder cannot take, and tells which', async () => {
    const bad = { id: 'bad', text: `A ${TINY_FAULTS.throws} tree.` };
    await rig.makeCorpus('faults', [...documentsFor(150), bad, { id: 'nan', text: TINY_FAULTS.notANumber }]);
    await rig.deleteDocuments('faults', ['nan']);
    const id = await rig.start('faults', rig.another(), rig.keeper());
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
    const id = await rig.start('lossy', rig.another(), rig.keeper());
    const { status, error } = await rig.until('lossy', id, ['completed', 'failed']);
    expect({ status, error }).toMatchObject({ status: 'failed', error: { detail: expect.stringContaining('1 documents') as string } });
    expect(await rig.record('lossy')).toMatchObject({ promotedVersion: 1 });
  });
});

describe('a worker that works on a reindex', () => {
  it('gives it back when it stops, and another goes on from there at once', async () => {
    await rig.makeCorpus('handover', documentsFor(30));
    const [first, second] = [rig.keeper(), rig.keeper()];
    const id = await rig.start('handover', { ...rig.another(), requests_per_second: 8 }, first);
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
    const id = await rig.start('expired', rig.another(), dead);
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
      if (deaths === -1) await rig.start('deadly', rig.another());
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
    expect(new Set((await rig.promotedDump('deadly')).map(({ document_id: id }) => id))).toEqual(
      new Set(documents.map(({ id }) => id).filter((id) => id !== 'd0040')),
    );
  });

  it('holds the new embedder; where none does, the reindex says what it waits for', async () => {
    await rig.makeCorpus('unattended', documentsFor(10));
    const id = await rig.start('unattended', rig.another());
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
