import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { openQdrantStores, type QdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import { promotedVersion } from '@rerank-fleet/core/corpora';
import type { CorpusRecord } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import { IngestJobs, type IngestJobRecord } from '@rerank-fleet/core/jobs';
import { deleteDocuments } from '@rerank-fleet/worker/ingest/delete-documents';
import { ingestTask } from '@rerank-fleet/worker/ingest/ingest-task';
import { settleGivenUp } from '@rerank-fleet/worker/ingest/settle-given-up';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { describeWithRecording } from '../support/qdrant-replay-recording.js';
import { startReplayServer, type ReplayServer } from '../support/qdrant-replay-server.js';
import { ReindexRig } from './reindex-support.js';

const CORPUS = 'late';
const LOOKED_WITHIN_MS = 25_000;
const READS = /\/(points|scroll|count|query)$/;
const SHORT = 'steel stock market.';
/** Of several passages. */
const LONG = Array.from({ length: 120 }, (_, n) => `prune apple tree ${String(n)}.`).join(' ');

describeWithRecording('an upload to Qdrant, one of whose requests is not answered', () => {
  let rig: ReindexRig;
  let server: ReplayServer;
  let stores: QdrantStores;
  let directory: string;
  let jobs: IngestJobs;
  let record: CorpusRecord;
  let seq = 1_000;

  beforeAll(async () => {
    rig = await ReindexRig.start();
    await rig.makeCorpus(CORPUS, []);
    record = await rig.record(CORPUS);
    server = await startReplayServer();
    stores = openQdrantStores({ url: server.url, timeoutMs: 10_000, lateLooksMs: [100, 1_000, 10_000] });
    await stores.documentStore.createCorpus(record);
    await stores.candidateStore.createVersion(promotedVersion(record));
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rerank-late-'));
    jobs = new IngestJobs(new FileBlobStore(directory));
  });
  afterEach(async () => {
    server.intercept = undefined;
    expect(server.objections).toEqual([]);
    await rm(directory, { recursive: true, force: true });
  });
  afterAll(async () => {
    await stores.candidateStore.close();
    await server.close();
    await rig.stop();
  });

  const parts = () => ({ ...rig.parts(), documents: stores.documentStore, candidates: stores.candidateStore });

  async function submit(id: string, text: string): Promise<IngestJobRecord> {
    const upload = jobs.begin({ ...rig.ref(CORPUS), corpusId: record.corpusId });
    await upload.add({ line: 1, document: { id, text } });
    return await upload.commit((count) => Promise.resolve((seq += count)));
  }

  const write = (job: IngestJobRecord, { documentStore, candidateStore } = stores): Promise<unknown> =>
    ingestTask({ ...parts(), documents: documentStore, candidates: candidateStore, jobs })(
      { kind: 'ingest', job_id: job.id, slice: 0 },
      { taskId: 't', requestId: 'r', tenant: job.tenant, queueMs: 0, signal: new AbortController().signal },
    );

  const remove = async (id: string): Promise<void> => {
    const pending = { ...rig.ref(CORPUS), corpusId: record.corpusId, id: `delete-${id}`, seq: (seq += 1), documentIds: [id], begunAt: 1 };
    await deleteDocuments(parts(), pending);
  };

  async function passagesOf(id: string): Promise<number> {
    const version = promotedVersion(record);
    const dense = new Float32Array(version.embedder.dimensions).fill(1 / Math.sqrt(version.embedder.dimensions));
    const found = await stores.candidateStore.retrieve(version, { mode: 'dense', dense, limit: 1_000 });
    return found.filter(({ documentId }) => documentId === id).length;
  }

  const LATER = {
    'a deletion': { run: remove, passages: 0, text: undefined },
    'a shorter text': { run: async (id: string) => await write(await submit(id, SHORT)), passages: 1, text: SHORT },
  };
  const ways = (['unanswered', 'late'] as const).flatMap((fate) =>
    Object.entries(LATER).map(([name, later]) => [fate, name, later] as const),
  );

  const deaths = (['delivered again', 'given up'] as const).flatMap((how) =>
    Object.entries(LATER).map(([name, later]) => [name, how, later] as const),
  );

  it.each(deaths)('that dies before it has cleared up, as %s came meanwhile, leaves nothing when it is %s', async (name, how, later) => {
    const id = `died-${name}-${how}`;
    const job = await submit(id, LONG);
    const dying = openQdrantStores({ url: server.url, timeoutMs: 10_000, lateLooksMs: [] });
    let [isMet, isDead] = [false, false];
    server.intercept = async (method, path, body) => {
      if (isDead) return { status: 503, body: { status: { error: 'made up' } } };
      const isPassages = method === 'PUT' && path.includes('/rf__') && JSON.stringify(body ?? '').includes(JSON.stringify(id));
      if (isMet || !isPassages) return undefined;
      isMet = true;
      await later.run(id);
      isDead = true;
      return undefined;
    };
    await expect(write(job, dying)).rejects.toMatchObject({ code: 'candidate_store_unavailable' });
    server.intercept = undefined;
    await dying.candidateStore.close();
    expect(await passagesOf(id)).toBeGreaterThan(later.passages);
    if (how === 'delivered again') await write(job);
    else {
      await jobs.giveUpSlice(job.tenant, job.id, 0, new RerankError('candidate_store_unavailable', 'Made up.'));
      const log = { info: () => undefined, warn: () => undefined };
      await settleGivenUp({ ...parts(), slices: jobs.givenUp, log }, new AbortController().signal);
    }
    expect(await passagesOf(id)).toBe(later.passages);
  });

  it.each(ways)('%s, is delivered again, and then comes %s, which stands', async (fate, name, later) => {
    let requests = 0;
    for (let isReached = true; isReached; requests += 1) {
      const id = `${fate}-${name}-${String(requests)}`;
      const job = await submit(id, LONG);
      let writes = 0;
      isReached = false;
      server.intercept = (method, path, body) => {
        const isRead = method === 'GET' || (method === 'POST' && READS.test(path.split('?')[0]!));
        // Looks after earlier documents go on beside it.
        const isMeant = JSON.stringify(body ?? '').includes(JSON.stringify(id));
        if (isRead || !isMeant || writes++ !== requests) return undefined;
        isReached = true;
        return fate;
      };
      const outcome = await write(job).catch((error: unknown) => error);
      server.intercept = undefined;
      if (isReached) {
        expect(outcome).toMatchObject({ code: 'candidate_store_unavailable' });
        await write(job);
      }
      expect(await passagesOf(id)).toBeGreaterThan(1);
      await later.run(id);
      server.doHeld();
      await expect
        .poll(async () => ({ id, passages: await passagesOf(id) }), { timeout: LOOKED_WITHIN_MS })
        .toEqual({ id, passages: later.passages });
      expect((await stores.documentStore.findDocument(record, id))?.text).toBe(later.text);
    }
    // The record and the passages are two writes, at least.
    expect(requests).toBeGreaterThan(2);
  });
});
