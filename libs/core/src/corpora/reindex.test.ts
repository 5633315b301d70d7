import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isOpen, type CorpusRecord } from '../domain/index.js';
import {
  abandonReindex,
  collectableVersions,
  dropVersions,
  forgetDropped,
  openReindex,
  promoteReindex,
  requireReindex,
  rethrottleReindex,
  rollbackReindex,
  startReindex,
  type ReindexPlan,
} from './reindex.js';
import { beginValidation, claimReindex, concludeReindex, saveProgress, type ReindexClaim } from './reindex-work.js';
import { claimOf, plan, progress, promoted, record, validation } from '../../../../test/support/reindex-records.js';

const START = 1_000;

describe('startReindex', () => {
  it('adds a version beside the promoted one, under a number that was never given', () => {
    const started = startReindex({ ...record(), lastVersion: 7 }, plan('r1'), START);
    expect(started.versions.map(({ version }) => version)).toEqual([1, 8]);
    expect(started).toMatchObject({ promotedVersion: 1, lastVersion: 8, revision: 2, settings: { embeddingModel: 'old' } });
    expect(openReindex(started)).toMatchObject({ id: 'r1', fromVersion: 1, toVersion: 8, status: 'building', total: 10, startedAt: START });
    expect(started.versions[1]).toMatchObject({ corpusId: 'c', fields: { year: 'integer' }, embedder: { name: 'new' } });
  });

  it('changes nothing for an id that it knows, whether that one is open or has ended', () => {
    const open = startReindex(record(), plan('r1'), START);
    expect(startReindex(open, plan('r1'), START)).toBe(open);
    const ended = abandonReindex(open, 'r1', { now: START });
    expect(startReindex(ended, plan('r1'), START)).toBe(ended);
  });

  it('is refused while another is open', () => {
    const open = startReindex(record(), plan('r1'), START);
    expect(() => startReindex(open, plan('r2'), START)).toThrow(expect.objectContaining({ code: 'reindex_in_progress' }) as Error);
  });

  it('remembers the latest ones only', () => {
    let found = record();
    for (let number = 0; number < 20; number += 1) {
      found = abandonReindex(startReindex(found, plan(`r${number}`), START), `r${number}`, { now: START });
    }
    expect(found.reindexes?.map(({ id }) => id)).toEqual(Array.from({ length: 11 }, (_, back) => `r${19 - back}`));
  });
});

describe('abandonReindex', () => {
  it('gives the new version up, with the reason if there is one', () => {
    const open = startReindex(record(), plan('r1'), START);
    const cancelled = abandonReindex(open, 'r1', { now: 5 });
    expect(cancelled).toMatchObject({ versions: [{ version: 1 }], dropping: [{ version: 2 }], revision: open.revision + 1 });
    expect(cancelled.reindexes).toMatchObject([{ status: 'cancelled', endedAt: 5 }]);
    const error = { code: 'invalid_request', detail: 'no' };
    expect(abandonReindex(open, 'r1', { now: 5, error }).reindexes).toMatchObject([{ status: 'failed', error }]);
    expect(abandonReindex(cancelled, 'r1', { now: 6 })).toBe(cancelled);
  });

  it('knows only its own', () => {
    expect(() => abandonReindex(record(), 'r1', { now: 5 })).toThrow(expect.objectContaining({ code: 'job_not_found' }) as Error);
  });
});

describe('rethrottleReindex', () => {
  it('sets and takes away the limit of one that is open', () => {
    const open = rethrottleReindex(startReindex(record(), plan('r1'), START), 'r1', 5);
    expect(openReindex(open)).toMatchObject({ requestsPerSecond: 5 });
    expect(openReindex(rethrottleReindex(open, 'r1', undefined))).not.toHaveProperty('requestsPerSecond');
    const ended = abandonReindex(open, 'r1', { now: 5 });
    expect(() => rethrottleReindex(ended, 'r1', 1)).toThrow(expect.objectContaining({ code: 'invalid_request' }) as Error);
  });
});

describe('promoteReindex', () => {
  it('is refused before the version is ready and after the reindex has ended otherwise', () => {
    const open = startReindex(record(), plan('r1'), START);
    expect(() => promoteReindex(open, 'r1', 5)).toThrow(expect.objectContaining({ code: 'reindex_in_progress' }) as Error);
    const ended = abandonReindex(open, 'r1', { now: 5 });
    expect(() => promoteReindex(ended, 'r1', 5)).toThrow(expect.objectContaining({ code: 'invalid_request' }) as Error);
  });

  it('retires the version before and takes over the settings of the new one, once', () => {
    const done = promoted(7);
    expect(done).toMatchObject({
      promotedVersion: 2,
      settings: { embeddingModel: 'new', chunking: { mode: 'none' }, fields: { year: 'integer' } },
      versions: [{ version: 1, retiredAt: 7 }, { version: 2 }],
      reindexes: [{ status: 'completed', endedAt: 7 }],
    });
    expect(done.settings).not.toHaveProperty('index');
    expect(promoteReindex(done, 'r1', 8)).toBe(done);
  });
});

describe('rollbackReindex', () => {
  it('promotes the version before again, once, with its settings', () => {
    const back = rollbackReindex(promoted(7), 'r1', 9);
    expect(back).toMatchObject({
      promotedVersion: 1,
      settings: { embeddingModel: 'old', index: { shards: 2 } },
      versions: [{ version: 1 }, { version: 2, retiredAt: 9 }],
      reindexes: [{ status: 'rolled_back' }],
    });
    expect(back.versions[0]).not.toHaveProperty('retiredAt');
    expect(rollbackReindex(back, 'r1', 10)).toBe(back);
  });

  it('is refused while another is open, when the version is gone, and for one that is not promoted', () => {
    const done = promoted(7);
    const [open, gone] = [startReindex(done, plan('r2'), 8), dropVersions(done, [1])];
    expect(() => rollbackReindex(open, 'r1', 9)).toThrow(expect.objectContaining({ code: 'reindex_in_progress' }) as Error);
    expect(() => rollbackReindex(gone, 'r1', 9)).toThrow(expect.objectContaining({ code: 'invalid_request' }) as Error);
    expect(() => rollbackReindex(open, 'r2', 9)).toThrow(expect.objectContaining({ code: 'invalid_request' }) as Error);
  });
});

describe('collectableVersions', () => {
  const numbers = (found: CorpusRecord, now: number, leastKeepMs = 0): number[] =>
    collectableVersions(found, now, leastKeepMs).map(({ version }) => version);

  it('are those whose time is over, and no request can have pinned any more', () => {
    const done = promoted(1_000);
    expect(numbers(done, 1_099)).toEqual([]);
    expect(numbers(done, 1_100)).toEqual([1]);
    expect(numbers(done, 1_499, 500)).toEqual([]);
    expect(numbers(done, 1_500, 500)).toEqual([1]);
  });

  it('are never promoted or being built', () => {
    const open = startReindex(promoted(1_000), plan('r2'), 2_000);
    expect(numbers(open, 1e15)).toEqual([1]);
  });

  it('are dropped and then forgotten', () => {
    const dropped = dropVersions(promoted(1_000), [1]);
    expect(dropped).toMatchObject({ versions: [{ version: 2 }], dropping: [{ version: 1, retiredAt: 1_000 }] });
    expect(forgetDropped(dropped, [1]).dropping).toEqual([]);
    expect(() => dropVersions(dropped, [2])).toThrow('promoted');
  });
});

/** What clients, runners and sweeps may do at any time; a refusal leaves the record as it is. */
interface World {
  record: CorpusRecord;
  now: number;
  claims: ReindexClaim[];
}

type Step = (world: World) => CorpusRecord;

const latest = ({ record: found }: World): string => found.reindexes?.[0]?.id ?? 'none';
/** Mostly of whoever came last, else of one that was taken for dead. */
const someClaim = ({ claims }: World, number: number): ReindexClaim =>
  (number % 4 === 0 ? claims[number % Math.max(1, claims.length)] : claims.at(-1)) ?? { corpusId: 'c', id: 'none', owner: 'o', fence: 0 };

const stepOf = (number: number): fc.Arbitrary<readonly [string, Step]> =>
  fc.constantFrom<readonly [string, Step]>(
    [
      'start',
      (world) =>
        startReindex(
          world.record,
          { ...plan(`r${number}`), promote: number % 2 === 0 ? 'auto' : 'manual' } satisfies ReindexPlan,
          world.now,
        ),
    ],
    ['claim', (world) => claimReindex(world.record, { owner: `o${number}`, now: world.now, leaseMs: 50 })],
    ['save', (world) => saveProgress(world.record, someClaim(world, number), { progress, until: world.now + 50 })],
    ['give back', (world) => saveProgress(world.record, someClaim(world, number), { progress, until: 0 })],
    ['validate', (world) => beginValidation(world.record, someClaim(world, number), progress)],
    [
      'conclude',
      (world) => concludeReindex(world.record, someClaim(world, number), { validation: validation(number % 3 !== 0), now: world.now }),
    ],
    ['cancel', (world) => abandonReindex(world.record, latest(world), { now: world.now })],
    ['promote', (world) => promoteReindex(world.record, latest(world), world.now)],
    ['roll back', (world) => rollbackReindex(world.record, latest(world), world.now)],
    ['rethrottle', (world) => rethrottleReindex(world.record, latest(world), number)],
    [
      'collect',
      (world) => {
        const due = collectableVersions(world.record, world.now, 10);
        return due.length === 0
          ? world.record
          : dropVersions(
              world.record,
              due.map(({ version }) => version),
            );
      },
    ],
    [
      'forget',
      (world) =>
        forgetDropped(
          world.record,
          (world.record.dropping ?? []).map(({ version }) => version),
        ),
    ],
  );

const steps = fc.array(
  fc.nat(1_000).chain((number) => stepOf(number).map((step) => ({ step, waitMs: number % 60 }))),
  { minLength: 30, maxLength: 80 },
);

function assertSound(before: CorpusRecord, after: CorpusRecord): void {
  if (after === before) return;
  expect(after.revision).toBe(before.revision + 1);
  const [numbers, dropping] = [after.versions.map(({ version }) => version), (after.dropping ?? []).map(({ version }) => version)];
  expect(new Set([...numbers, ...dropping]).size).toBe(numbers.length + dropping.length);
  // Not given twice: what is new is above all that was.
  for (const number of numbers.filter((version) => !before.versions.some((old) => old.version === version)))
    expect(number).toBeGreaterThan(before.lastVersion ?? 0);
  const promotedNow = after.versions.find(({ version }) => version === after.promotedVersion);
  expect(promotedNow).not.toHaveProperty('retiredAt');
  expect(after.settings).toMatchObject({ embeddingModel: promotedNow?.embedder.name, chunking: promotedNow?.chunking });
  const open = (after.reindexes ?? []).filter(isOpen);
  expect(open.length).toBeLessThanOrEqual(1);
  for (const { toVersion } of open) expect(after.versions.find(({ version }) => version === toVersion)).not.toHaveProperty('retiredAt');
  // Whatever is neither promoted nor being built is on its way out.
  for (const { version, retiredAt } of after.versions)
    expect(version === after.promotedVersion || open.some(({ toVersion }) => toVersion === version) || retiredAt !== undefined).toBe(true);
  for (const ended of (after.reindexes ?? []).filter((reindex) => !isOpen(reindex))) expect(ended).not.toHaveProperty('lease');
}

describe('any sequence of changes', () => {
  it('keeps one open reindex at most, a promoted version that is there, and numbers that are never reused', () => {
    const ends = new Set<string>();
    fc.assert(
      fc.property(steps, (taken) => {
        const world: World = { record: record(), now: START, claims: [] };
        for (const { step, waitMs } of taken) {
          world.now += waitMs;
          const before = world.record;
          try {
            world.record = step[1](world);
          } catch (error) {
            expect(error).toMatchObject({ name: expect.stringMatching(/^(RerankError|ClaimLostError|InvariantError)$/) as string });
            continue;
          }
          assertSound(before, world.record);
          const open = openReindex(world.record);
          if (open?.lease !== undefined && step[0] === 'claim') world.claims.push(claimOf(world.record));
          for (const { status } of world.record.reindexes ?? []) ends.add(status);
        }
      }),
      { numRuns: 500 },
    );
    expect([...ends].sort()).toEqual(['building', 'cancelled', 'completed', 'failed', 'ready', 'rolled_back', 'validating']);
    expect(() => requireReindex(record(), 'r1')).toThrow();
  });
});
