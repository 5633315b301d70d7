import { describe, expect, it } from 'vitest';
import type { CorpusRecord } from '../domain/index.js';
import { claimOf, plan, progress, record, validating, validation } from '../../../../test/support/reindex-records.js';
import {
  beginValidation,
  claimedReindex,
  ClaimLostError,
  claimReindex,
  concludeReindex,
  isUnattended,
  saveProgress,
  withFailures,
} from './reindex-work.js';
import { abandonReindex, openReindex, promoteReindex, startReindex } from './reindex.js';

const started = startReindex(record(), plan('r1'), 0);
const claim = { owner: 'a', now: 1_000, leaseMs: 50 };
const claimed = claimReindex(started, claim);

describe('claimReindex', () => {
  it('takes what nobody works on, and only that', () => {
    expect(openReindex(claimed)?.lease).toEqual({ owner: 'a', fence: 1, until: 1_050 });
    expect(claimReindex(claimed, { ...claim, owner: 'b', now: 1_049 })).toBe(claimed);
    expect(claimReindex(record(), claim)).toEqual(record());
  });

  it('takes over from a process that was not heard of, and counts the fence up', () => {
    const taken = claimReindex(claimed, { ...claim, owner: 'b', now: 1_050 });
    expect(openReindex(taken)).toMatchObject({ lease: { owner: 'b', fence: 2 }, care: { deaths: 1, convicted: [] } });
    expect(() => claimedReindex(taken, claimOf(claimed))).toThrow(ClaimLostError);
  });

  it('counts no death where the lease was given back', () => {
    const given = saveProgress(claimed, claimOf(claimed), { progress, until: 0 });
    const taken = claimReindex(given, { ...claim, owner: 'b' });
    expect(openReindex(taken)?.lease).toMatchObject({ owner: 'b', fence: 2 });
    expect(openReindex(taken)).not.toHaveProperty('care');
  });

  it('convicts the document that was alone at three deaths, and no other', () => {
    const dieUnder = (found: CorpusRecord, alone: string): CorpusRecord => {
      const care = openReindex(found)?.care ?? { deaths: 0, convicted: [] };
      const saved = saveProgress(found, claimOf(found), { progress: { ...progress, care: { ...care, alone } }, until: 1_000 });
      return claimReindex(saved, claim);
    };
    const careOf = (found: CorpusRecord) => openReindex(found)?.care;
    const once = dieUnder(claimed, 'd');
    expect(careOf(once)).toEqual({ deaths: 1, suspect: { documentId: 'd', deaths: 1 }, convicted: [] });
    expect(careOf(dieUnder(once, 'e'))).toEqual({ deaths: 2, suspect: { documentId: 'e', deaths: 1 }, convicted: [] });
    const twice = dieUnder(once, 'd');
    expect(careOf(twice)).toEqual({ deaths: 2, suspect: { documentId: 'd', deaths: 2 }, convicted: [] });
    expect(careOf(dieUnder(twice, 'd'))).toEqual({ deaths: 3, convicted: ['d'] });
  });

  it('leaves one alone that waits to be promoted', () => {
    const ready = concludeReindex(validating({ promote: 'manual' }), claimOf(validating()), { validation: validation(), now: 5 });
    expect(isUnattended(openReindex(ready)!, 1e12)).toBe(false);
    expect(claimReindex(ready, claim)).toBe(ready);
  });
});

describe('claimedReindex', () => {
  it('is lost with the reindex, with the corpus, and with another corpus in its place', () => {
    const mine = claimOf(claimed);
    expect(claimedReindex(claimed, mine)).toMatchObject({ id: 'r1' });
    for (const other of [undefined, abandonReindex(claimed, 'r1', { now: 5 }), { ...claimed, corpusId: 'another' }, started])
      expect(() => claimedReindex(other, mine)).toThrow(ClaimLostError);
  });
});

describe('saveProgress', () => {
  it('stores what was done and holds the lease, but for whoever lost the claim', () => {
    const saved = saveProgress(claimed, claimOf(claimed), { progress: { ...progress, checkpoint: 'd4' }, until: 9_000 });
    expect(openReindex(saved)).toMatchObject({ ...progress, checkpoint: 'd4', lease: { owner: 'a', fence: 1, until: 9_000 } });
    expect(openReindex(saveProgress(saved, claimOf(saved), { progress, until: 1 }))).not.toHaveProperty('checkpoint');
    expect(() => saveProgress(claimed, { ...claimOf(claimed), fence: 0 }, { progress, until: 1 })).toThrow(ClaimLostError);
  });
});

describe('beginValidation', () => {
  it('is done once', () => {
    const begun = beginValidation(claimed, claimOf(claimed), { ...progress, checkpoint: 'd4' });
    expect(openReindex(begun)).toMatchObject({ status: 'validating', created: 4 });
    expect(openReindex(begun)).not.toHaveProperty('checkpoint');
    expect(beginValidation(begun, claimOf(claimed), progress)).toBe(begun);
  });
});

describe('concludeReindex', () => {
  const conclude = (promote: 'auto' | 'manual', isGood: boolean) => {
    const found = validating({ promote });
    return { found, concluded: concludeReindex(found, claimOf(found), { validation: validation(isGood), now: 77 }) };
  };

  it('promotes what is as was asked for, in one change, and forgets the judged queries', () => {
    const { found, concluded } = conclude('auto', true);
    expect(concluded).toMatchObject({ promotedVersion: 2, revision: found.revision + 1 });
    expect(concluded.reindexes).toMatchObject([{ status: 'completed', validation: validation(), endedAt: 77, checks: { sample: 5 } }]);
    expect(concluded.reindexes?.[0]?.checks).not.toHaveProperty('judged');
    expect(concluded.reindexes?.[0]).not.toHaveProperty('lease');
  });

  it('gives up what is not, in one change, and says why', () => {
    const { found, concluded } = conclude('auto', false);
    expect(concluded).toMatchObject({ promotedVersion: 1, dropping: [{ version: 2 }], revision: found.revision + 1 });
    expect(concluded.reindexes).toMatchObject([
      { status: 'failed', error: { detail: expect.stringContaining('too few; too old') as string } },
    ]);
  });

  it.each([true, false])('leaves the promotion to a hand where that was asked for, whatever it found (good: %s)', (isGood) => {
    const { concluded } = conclude('manual', isGood);
    expect(concluded).toMatchObject({ promotedVersion: 1, reindexes: [{ status: 'ready', validation: validation(isGood) }] });
    expect(promoteReindex(concluded, 'r1', 80)).toMatchObject({ promotedVersion: 2 });
  });

  it('needs the validation to have begun', () => {
    expect(() => concludeReindex(claimed, claimOf(claimed), { validation: validation(), now: 1 })).toThrow('not validated');
  });
});

describe('withFailures', () => {
  it('counts all and tells of a hundred', () => {
    const failures = Array.from({ length: 130 }, (_, number) => ({ documentId: `d${number}`, code: 'internal_error', detail: 'x' }));
    const { failed, failures: told } = withFailures(withFailures(progress, failures.slice(0, 70)), failures.slice(70));
    expect({ failed, told: told.length }).toEqual({ failed: 132, told: 100 });
  });
});
