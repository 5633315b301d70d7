import { openReindex } from '@rerank-fleet/core/corpora';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documentsFor, expectSameIndex, ReindexRig, STANDSTILL } from './reindex-support.js';

let rig: ReindexRig;
beforeAll(async () => {
  rig = await ReindexRig.start();
});
afterAll(() => rig.stop());

describe('a version that is ready', () => {
  it('is promoted by hand, and not before', async () => {
    await rig.makeCorpus('manual', documentsFor(30));
    const keeper = rig.keeper();
    const id = await rig.start(
      'manual',
      { ...rig.another(), promote: 'manual', ...STANDSTILL, validation: { sample: 5, min_overlap: 1 } },
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
    const id = await rig.start('unlike', { ...rig.another(), validation }, rig.keeper());
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
    const id = await rig.start('back', rig.another(), keeper);
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
    expectSameIndex(await rig.promotedDump('back'), await rig.promotedDump('back-wanted'));
    const again = await rig.start('back', rig.another(), keeper);
    expect(await rig.until('back', again, 'completed')).toMatchObject({ fromVersion: 1, toVersion: 3 });
  });

  it('is refused when the version before is gone', async () => {
    await rig.makeCorpus('gone', documentsFor(10));
    const keeper = rig.keeper({ limits: rig.parts({ leastKeepMs: 0 }).limits });
    const id = await rig.start('gone', { ...rig.another(), keep_previous_s: 0 }, keeper);
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
    const id = await rig.start('pinned', { ...rig.another(), keep_previous_s: 0 }, keeper);
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
    const id = await rig.start('unheld', rig.another(), keeper);
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
