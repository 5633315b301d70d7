import type { ReindexRequestBody } from '@rerank-fleet/core/contracts';
import { reindexRequestSchema } from '@rerank-fleet/core/contracts';
import { openReindex } from '@rerank-fleet/core/corpora';
import { ReindexKeeper, type ReindexKeeperParts } from '@rerank-fleet/worker/reindex/reindex-keeper';
import { changeReindexes } from '@rerank-fleet/worker/reindex/change-reindexes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Life } from '../support/life.js';
import { OneFailure } from '../support/one-failure.js';
import { documentsFor, expectSameIndex, ReindexRig, type DumpedPassage } from './reindex-support.js';

const CORPUS = 'steps';
/** More than any life has calls. */
const NEVER = 10_000;
const LEASE_MS = 60_000;
/** No clock calls the stores: progress is stored at the end of each page, so that every life has the same calls. */
const LIMITS = { leaseMs: LEASE_MS, beatMs: 600_000, saveMs: 0, leastKeepMs: 0, pageDocuments: 5 };

let rig: ReindexRig;
let wanted: readonly DumpedPassage[];
/** Milliseconds that have passed since, for every process. */
let shiftMs = 0;

const request = (): ReindexRequestBody =>
  reindexRequestSchema.parse({
    embedding_model: rig.embedderNames[1],
    chunking: { mode: 'sentences', max_tokens: 16, overlap_tokens: 4 },
    validation: { sample: 1 },
    keep_previous_s: 0,
  });

beforeAll(async () => {
  rig = await ReindexRig.start();
  await rig.makeCorpus(CORPUS, documentsFor(13));
  const whole = await live(new Life(NEVER, 'before'), 'whole');
  expect(whole.calls).toBeGreaterThan(40);
  const { versions, promotedVersion } = await rig.record(CORPUS);
  wanted = rig.dump(versions.find(({ version }) => version === promotedVersion)!);
  expect(wanted.length).toBeGreaterThan(13);
});
afterAll(() => rig.stop());

/** A process: it begins the reindex, if that was not done, works on it, and clears up. Resolves when it is idle, or never. */
async function live(life: Life, id: string): Promise<{ readonly keeper: ReindexKeeper; readonly calls: number }> {
  const parts = partsOf(life);
  const keeper = new ReindexKeeper(parts);
  const change = { op: 'start_reindex', id, request: request() } as const;
  await changeReindexes({ ...parts, onReindex: () => undefined }, rig.ref(CORPUS), change);
  while ((await parts.documents.listUnsettled()).length > 0) {
    await keeper.look();
    await keeper.idle();
  }
  return { keeper, calls: life.calls };
}

function partsOf(life: Pick<Life, 'through'>): ReindexKeeperParts {
  const parts = rig.parts(LIMITS);
  return {
    ...parts,
    documents: life.through(parts.documents),
    candidates: life.through(parts.candidates),
    cutDocuments: life.through({ cut: parts.cutDocuments }).cut,
    now: () => Date.now() + shiftMs,
  };
}

/** One life that dies at a call, then one that does what was left. Returns whether the first came to its end. */
async function liveTwice(dies: number, when: 'before' | 'after'): Promise<boolean> {
  const id = `${when}-${dies}`;
  const before = (await rig.record(CORPUS)).promotedVersion;
  const life = new Life(dies, when);
  await Promise.race([live(life, id), life.death]);
  shiftMs += LEASE_MS + 1;
  await live(new Life(NEVER, 'before'), id);
  await expectDone(id, before, `It died ${when} call ${dies}.`);
  return !life.ended;
}

/** One process in which a call fails, which goes on. Returns whether none did. */
async function liveOn(nth: number, when: 'before' | 'after'): Promise<boolean> {
  const id = `failed-${when}-${nth}`;
  const before = (await rig.record(CORPUS)).promotedVersion;
  const failure = new OneFailure(nth, when);
  const parts = partsOf(failure);
  const change = { op: 'start_reindex', id, request: request() } as const;
  const begin = (): Promise<unknown> => changeReindexes({ ...parts, onReindex: () => undefined }, rig.ref(CORPUS), change);
  // Whoever hears of a failure sends it again.
  await begin().catch(begin);
  const keeper = new ReindexKeeper(parts);
  while ((await rig.parts(LIMITS).documents.listUnsettled()).length > 0) {
    await keeper.look().catch(() => undefined);
    await keeper.idle();
    // A lease that it took and was not told of is nobody's until it is over.
    shiftMs += LEASE_MS + 1;
  }
  await expectDone(id, before, `It failed ${when} call ${nth}.`);
  return !failure.isOver;
}

async function expectDone(id: string, before: number, how: string): Promise<void> {
  try {
    const record = await rig.record(CORPUS);
    expect(openReindex(record)).toBeUndefined();
    expect(record.reindexes?.filter((reindex) => reindex.id === id)).toMatchObject([
      { status: 'completed', total: 13, failed: 0, validation: { documents: { expected: 13, found: 13 }, repaired: 0, failures: [] } },
    ]);
    expect(record.reindexes![0]!.created + record.reindexes![0]!.updated).toBe(13);
    expect(record.promotedVersion).toBe(before + 1);
    expect(record.versions.map(({ version }) => version)).toEqual([before + 1]);
    expect(rig.indexes(CORPUS)).toEqual([before + 1]);
    expectSameIndex(rig.dump(record.versions[0]!), wanted);
  } catch (cause) {
    throw new Error(how, { cause });
  }
}

describe('a process that dies under a reindex', () => {
  it.each(['before', 'after'] as const)('%s any of its calls leaves what the next one ends, point by point', async (when) => {
    let whole = false;
    let dies = 1;
    for (; !whole; dies += 1) whole = await liveTwice(dies, when);
    // As many calls as three pages, a validation, a promotion and a clearing up have; fewer would mean that something was not tried.
    expect(dies).toBeGreaterThan(40);
  });
});

describe('a process that lives, one of whose calls under a reindex fails', () => {
  it.each(['before', 'after'] as const)('%s it was done, ends it, point by point', async (when) => {
    let whole = false;
    let calls = 1;
    for (; !whole; calls += 1) whole = await liveOn(calls, when);
    expect(calls).toBeGreaterThan(40);
  });
});
