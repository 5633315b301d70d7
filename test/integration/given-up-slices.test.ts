import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { promotedVersion } from '@rerank-fleet/core/corpora';
import { RerankError } from '@rerank-fleet/core/errors';
import { IngestJobs, type IngestJobRecord } from '@rerank-fleet/core/jobs';
import type { CandidateStore } from '@rerank-fleet/core/ports';
import { ingestTask } from '@rerank-fleet/worker/ingest/ingest-task';
import { settleGivenUp, type GivenUpParts } from '@rerank-fleet/worker/ingest/settle-given-up';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Life } from '../support/life.js';
import { ReindexRig } from './reindex-support.js';

const AWAY = new RerankError('candidate_store_unavailable', 'The store is away.');
const DEAD = new RerankError('internal_error', 'The workers that took this task ended under it, twice; it was given up.');
const OLD = [
  { id: 'a', text: 'prune apple tree' },
  { id: 'b', text: 'bake apple pie' },
];
const NEW = [
  { id: 'a', text: 'steel stock market' },
  { id: 'c', text: 'sugar oven recipe' },
];
const FIRST_SEQ = 1_000;
const never = new AbortController().signal;

let rig: ReindexRig;
let directory: string;
let jobs: IngestJobs;
let corpora = 0;
let seq = FIRST_SEQ;
let corpus: string;

beforeAll(async () => {
  rig = await ReindexRig.start();
});
afterAll(() => rig.stop());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rerank-given-up-'));
  jobs = new IngestJobs(new FileBlobStore(directory));
  corpus = `manuals-${(corpora += 1)}`;
  await rig.makeCorpus(corpus, OLD);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** An upload that is one slice; nobody has begun it. */
async function submit(documents = NEW): Promise<IngestJobRecord> {
  const { corpusId } = await rig.record(corpus);
  const upload = jobs.begin({ ...rig.ref(corpus), corpusId });
  for (const [index, document] of documents.entries()) await upload.add({ line: index + 1, document });
  return await upload.commit((count) => Promise.resolve((seq += count)));
}

/** A worker puts the documents into the record, and comes no further. */
async function writeHalf(job: IngestJobRecord): Promise<void> {
  const fails = () => Promise.reject(AWAY);
  const candidates: CandidateStore = Object.assign(Object.create(rig.candidates) as CandidateStore, { restampDocuments: fails });
  const handler = ingestTask({ ...rig.parts(), candidates, jobs });
  const context = { taskId: 't', requestId: 'r', tenant: job.tenant, queueMs: 0, signal: never };
  await expect(handler({ kind: 'ingest', job_id: job.id, slice: 0 }, context)).rejects.toBe(AWAY);
}

const settle = async (parts: Partial<GivenUpParts> = {}): Promise<string[]> => {
  const told: string[] = [];
  const warn = (_: object, message: string) => void told.push(message);
  const log = { info: () => undefined, warn };
  await settleGivenUp({ ...rig.parts(), slices: jobs.givenUp, log, ...parts } as GivenUpParts, never);
  return told;
};

/** Text of each document as searches find it. */
async function indexed(): Promise<Record<string, string>> {
  const { results } = await rig.search(corpus, 'apple steel sugar');
  return Object.fromEntries(results.map(({ document_id: id, passage }) => [id, passage.text]));
}
async function noted(): Promise<number> {
  let count = 0;
  for await (const _ of jobs.givenUp.list()) count += 1;
  return count;
}

const WITH_NEW = { a: 'steel stock market', b: 'bake apple pie', c: 'sugar oven recipe' };
const WITH_OLD = { a: 'prune apple tree', b: 'bake apple pie' };

describe('a slice that is given up after its documents were stored', () => {
  it('leaves none with an older text in the index: they are indexed after all', async () => {
    const job = await submit();
    await writeHalf(job);
    await jobs.giveUpSlice(job.tenant, job.id, 0, AWAY);
    expect((await jobs.find(job.tenant, job.id))?.request_counts).toMatchObject({ errored: 2 });
    expect(await indexed()).toEqual(WITH_OLD);
    expect(await settle()).toEqual([]);
    expect(await indexed()).toEqual(WITH_NEW);
    expect(await noted()).toBe(0);
  });

  it('is embedded by nobody where workers died of it: its older texts leave the index, and it can be sent again', async () => {
    const job = await submit();
    await writeHalf(job);
    await jobs.giveUpSlice(job.tenant, job.id, 0, DEAD);
    const embedders = { of: () => expect.fail('it would be embedded') } as unknown as GivenUpParts['embedders'];
    expect(await settle({ embedders })).toEqual([]);
    expect(await indexed()).toEqual({ b: 'bake apple pie' });
    const again = await submit();
    const handler = ingestTask({ ...rig.parts(), jobs });
    await handler(
      { kind: 'ingest', job_id: again.id, slice: 0 },
      { taskId: 't', requestId: 'r', tenant: again.tenant, queueMs: 0, signal: never },
    );
    expect(await indexed()).toEqual(WITH_NEW);
  });

  it('waits while a store is away, and is settled when it is back', async () => {
    const job = await submit();
    await writeHalf(job);
    await jobs.giveUpSlice(job.tenant, job.id, 0, AWAY);
    const fails = () => Promise.reject(AWAY);
    const candidates = Object.assign(Object.create(rig.candidates) as CandidateStore, { writeDocuments: fails });
    expect(await settle({ candidates })).toEqual(['Documents of an upload that was given up could not be settled; it is tried again.']);
    expect(await indexed()).toEqual(WITH_OLD);
    await settle();
    expect(await indexed()).toEqual(WITH_NEW);
  });

  it.each(['{"tenant":', '{"tenant":"of-a-newer-release"}'])(
    'is settled beside another of which %s is noted, which cannot be read',
    async (text) => {
      const job = await submit();
      await writeHalf(job);
      await jobs.giveUpSlice(job.tenant, job.id, 0, AWAY);
      // Keys ascend: it comes first.
      await new FileBlobStore(directory).put('given-up/a/unreadable-0.json', text);
      expect(await settle()).toEqual(['What is noted of an upload that was given up cannot be read; it is passed over.']);
      expect(await indexed()).toEqual(WITH_NEW);
      expect(await noted()).toBe(0);
    },
  );

  it.each(['before', 'after'] as const)('is settled whatever call a worker dies %s', async (when) => {
    for (let calls = 1, whole = false; !whole; calls += 1) {
      corpus = `manuals-${(corpora += 1)}`;
      await rig.makeCorpus(corpus, OLD);
      const job = await submit();
      await writeHalf(job);
      await jobs.giveUpSlice(job.tenant, job.id, 0, AWAY);
      const life = new Life(calls, when);
      const parts = {
        documents: life.through(rig.documents),
        candidates: life.through(rig.candidates),
        slices: life.through(jobs.givenUp),
      };
      await Promise.race([settle(parts), life.death]);
      whole = !life.ended;
      await settle();
      const found = await indexed();
      // Who comes after one that died under it embeds nothing.
      expect([WITH_NEW, { b: 'bake apple pie' }], `died ${when} call ${calls}`).toContainEqual(found);
      if (whole) expect(found).toEqual(WITH_NEW);
      expect(await noted()).toBe(0);
    }
  });
});

describe('a slice that is given up', () => {
  it('leaves alone what nobody has begun, and what was written since', async () => {
    const untouched = await submit([NEW[0]!]);
    await jobs.giveUpSlice(untouched.tenant, untouched.id, 0, DEAD);
    await settle();
    expect(await indexed()).toEqual(WITH_OLD);
    const early = await submit();
    await writeHalf(early);
    const version = promotedVersion(await rig.record(corpus));
    const late = await submit();
    const handler = ingestTask({ ...rig.parts(), jobs });
    const context = { taskId: 't', requestId: 'r', tenant: late.tenant, queueMs: 0, signal: never };
    await handler({ kind: 'ingest', job_id: late.id, slice: 0 }, context);
    const before = rig.dump(version);
    await jobs.giveUpSlice(early.tenant, early.id, 0, DEAD);
    await settle();
    expect(rig.dump(version)).toEqual(before);
    expect(await noted()).toBe(0);
  });

  it('of a corpus that went meanwhile is forgotten', async () => {
    const job = await submit();
    await writeHalf(job);
    await rig.deleteCorpus(corpus);
    await jobs.giveUpSlice(job.tenant, job.id, 0, AWAY);
    expect(await noted()).toBe(1);
    await settle();
    expect(await noted()).toBe(0);
  });
});
