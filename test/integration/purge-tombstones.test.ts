import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { openEmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { TombstoneMark } from '@rerank-fleet/core/adapters/redis/tombstone-mark';
import type { CorpusRecord, ReindexRecord } from '@rerank-fleet/core/domain';
import { IngestJobs, type IngestJobRecord } from '@rerank-fleet/core/jobs';
import { purgeTombstones } from '@rerank-fleet/worker/ingest/purge-tombstones';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { recordOf, stored, versionOf } from '../conformance/store-fixtures.js';
import type { Stores } from '../conformance/stores.js';
import { RedisServer } from '../support/redis-server.js';

const HOUR = 3_600_000;
const START = Date.parse('2026-03-01T00:00:00Z');

let server: RedisServer;
let redis: Awaited<ReturnType<typeof connectRedis>>;
let directory: string;
let stores: Stores;
let jobs: IngestJobs;
let record: CorpusRecord;
/** Hours since the start. */
let hour: number;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = await connectRedis(server.url, { role: 'consumer', name: 'test' });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  await redis.flushall();
  hour = 0;
  directory = await mkdtemp(join(tmpdir(), 'rerank-tombstones-'));
  stores = openEmbeddedStores({ directory });
  jobs = new IngestJobs(new FileBlobStore(join(directory, 'blobs')));
  record = recordOf(versionOf('acme'));
  await stores.documentStore.createCorpus(record);
});
afterEach(async () => {
  await Promise.all([stores.documentStore.close(), stores.candidateStore.close()]);
  await rm(directory, { recursive: true, force: true });
});

const now = (): number => START + hour * HOUR;
/** As Redis gives it at that hour. */
const seqAt = (hours: number): number => (START + hours * HOUR) * 1_000;
const bury = (id: string, hours: number): Promise<number> => stores.documentStore.deleteDocuments(record, [id], seqAt(hours));

/** Worker processes look every hour. */
async function passHours(hours: number): Promise<void> {
  for (let passed = 0; passed < hours; passed += 1) {
    hour += 1;
    await purge();
  }
}

const purge = (): Promise<void> =>
  purgeTombstones({ documents: stores.documentStore, jobs, mark: new TombstoneMark(redis), now, log: { warn: () => undefined } });

/** Whether a write from before the deletion would bring the document back. It is not left there. */
async function isForgotten(id: string): Promise<boolean> {
  const came = await stores.documentStore.putDocuments(record, [stored(id, 1)]);
  if (came.size > 0) await stores.documentStore.deleteDocuments(record, [id], 2);
  return came.size > 0;
}

async function upload(hours: number): Promise<IngestJobRecord> {
  const begun = jobs.begin({ tenant: record.tenant, corpus: record.corpus, corpusId: record.corpusId });
  await begun.add({ line: 1, document: { id: 'late', text: 'x' } });
  return await begun.commit(() => Promise.resolve(seqAt(hours)));
}

const finish = (job: IngestJobRecord): Promise<void> => jobs.finishSlice(job, 0, { kind: 'ingest', succeeded: 1, errors: [] });

describe('tombstones of the record', () => {
  it('go when nothing below them is under way and a day has passed since, and later ones stay', async () => {
    await bury('old', -48);
    await bury('new', 20);
    await passHours(24);
    expect(await isForgotten('old')).toBe(false);
    await passHours(1);
    expect(await isForgotten('old')).toBe(true);
    expect(await isForgotten('new')).toBe(false);
    await passHours(48);
    expect(await isForgotten('new')).toBe(true);
  });

  it('stay while a slice below them waits, and a day longer, for a worker that was taken for dead and still writes it', async () => {
    const job = await upload(-72);
    await bury('late', -48);
    await passHours(30 * 24);
    expect(await isForgotten('late')).toBe(false);
    await finish(job);
    await passHours(23);
    expect(await isForgotten('late')).toBe(false);
    await passHours(26);
    expect(await isForgotten('late')).toBe(true);
  });

  it('stay while an upload that took its numbers before them may become a job', async () => {
    await bury('late', 0);
    hour = 1;
    await purge();
    const job = await upload(-0.1);
    await passHours(30);
    expect(await isForgotten('late')).toBe(false);
    await finish(job);
    await passHours(72);
    expect(await isForgotten('late')).toBe(true);
  });

  it('stay while a job cannot be read', async () => {
    const job = await upload(-1);
    await finish(job);
    await bury('old', -48);
    await writeFile(join(directory, 'blobs', 'ingests', job.tenant, job.id, 'job.json'), '{');
    await rm(join(directory, 'blobs', 'ingests', job.tenant, job.id, 'done.json'));
    await passHours(72);
    expect(await isForgotten('old')).toBe(false);
  });

  it('stay while a reindex is open or a deletion is under way, in that corpus alone', async () => {
    const [building, deleting] = ['building', 'deleting'].map((corpus) => ({ ...record, corpus, corpusId: corpus }));
    await stores.documentStore.createCorpus({ ...building!, reindexes: [{ status: 'building' } as ReindexRecord] });
    await stores.documentStore.createCorpus(deleting!);
    await stores.documentStore.beginDelete({ ...deleting!, id: 'x', seq: 5, documentIds: ['old'], begunAt: START });
    for (const corpus of [record, building!, deleting!]) await stores.documentStore.deleteDocuments(corpus, ['old'], seqAt(-48));
    await passHours(72);
    expect(await isForgotten('old')).toBe(true);
    for (const corpus of [building!, deleting!]) expect((await stores.documentStore.putDocuments(corpus, [stored('old', 1)])).size).toBe(0);
    await stores.documentStore.endDelete({ id: 'x' });
    await passHours(24);
    expect((await stores.documentStore.putDocuments(deleting!, [stored('old', 1)])).size).toBe(1);
  });
});
