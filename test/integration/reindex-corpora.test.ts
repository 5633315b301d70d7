import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Life } from '../support/life.js';
import { TINY_FAULTS } from '../support/tiny-models/index.js';
import { documentsFor, ReindexRig, STANDSTILL } from './reindex-support.js';

let rig: ReindexRig;
beforeAll(async () => {
  rig = await ReindexRig.start();
});
afterAll(() => rig.stop());

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

  it('that is delivered again when its corpus has gone has done what it was asked for', async () => {
    await rig.makeCorpus('twice', documentsFor(1));
    const { corpusId } = await rig.record('twice');
    await rig.deleteCorpus('twice', { corpusId });
    await rig.deleteCorpus('twice', { corpusId });
    await expect(rig.deleteCorpus('twice')).rejects.toMatchObject({ code: 'corpus_not_found' });
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
    await rig.makeCorpus('spoilt', documentsFor(3), rig.another());
    const spoilt = { ...documentsFor(1)[0]!, text: `A ${TINY_FAULTS.throws} tree.` };
    await rig.upload('spoilt', [spoilt, ...documentsFor(2, 1)], ['d0000']);
    const found = async () => (await rig.search('spoilt', 'apple 0')).results.map(({ document_id: id }) => id).sort();
    expect(await found()).toEqual(['d0001', 'd0002']);
    expect((await rig.documents.findDocument(await rig.record('spoilt'), 'd0000'))?.text).toBe(spoilt.text);
    await rig.upload('spoilt', documentsFor(1));
    expect(await found()).toEqual(['d0000', 'd0001', 'd0002']);
  });
});
