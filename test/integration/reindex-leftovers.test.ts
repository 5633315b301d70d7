import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { openQdrantStores, type QdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import { reindexRequestSchema } from '@rerank-fleet/core/contracts';
import { promotedVersion } from '@rerank-fleet/core/corpora';
import type { CorpusRecord, CorpusVersion, Document } from '@rerank-fleet/core/domain';
import { IngestJobs } from '@rerank-fleet/core/jobs';
import { deleteDocuments } from '@rerank-fleet/worker/ingest/delete-documents';
import { ingestTask } from '@rerank-fleet/worker/ingest/ingest-task';
import { changeReindexes } from '@rerank-fleet/worker/reindex/change-reindexes';
import { ReindexKeeper, type ReindexKeeperParts } from '@rerank-fleet/worker/reindex/reindex-keeper';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Life } from '../support/life.js';
import { describeWithRecording } from '../support/qdrant-replay-recording.js';
import { startReplayServer, type ReplayServer } from '../support/qdrant-replay-server.js';
import { ReindexRig } from './reindex-support.js';

const LEASE_MS = 60_000;
const LIMITS = { leaseMs: LEASE_MS, beatMs: 600_000, saveMs: 0, leastKeepMs: 0 };
const NOBODY_LEAVES = new AbortController().signal;
/** More calls than any life has. */
const NEVER = 10_000;
const UNAVAILABLE = { status: 503, body: { status: { error: 'made up' } } };
const MET = 'met';
const SHORT = 'steel stock market.';
/** Of several passages. */
const LONG = Array.from({ length: 40 }, (_, n) => `prune apple tree ${String(n)}.`).join(' ');

describeWithRecording('a process that is killed under a reindex, between passages and their clearing up', () => {
  let rig: ReindexRig;
  let server: ReplayServer;
  let stores: QdrantStores;
  let directory: string;
  let jobs: IngestJobs;
  let shiftMs = 0;
  let seq = 1_000;

  beforeAll(async () => {
    rig = await ReindexRig.start();
    server = await startReplayServer();
    stores = openQdrantStores({ url: server.url, timeoutMs: 10_000 });
    directory = await mkdtemp(join(tmpdir(), 'rerank-leftovers-'));
    jobs = new IngestJobs(new FileBlobStore(directory));
  });
  afterEach(() => {
    server.intercept = undefined;
    expect(server.objections).toEqual([]);
  });
  afterAll(async () => {
    await stores.candidateStore.close();
    await server.close();
    await rig.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const parts = ({ documentStore, candidateStore } = stores): ReindexKeeperParts => ({
    ...rig.parts(LIMITS),
    documents: documentStore,
    candidates: candidateStore,
    now: () => Date.now() + shiftMs,
  });

  async function upload({ tenant, corpus, corpusId }: CorpusRecord, documents: readonly Document[]): Promise<void> {
    const draft = jobs.begin({ tenant, corpus, corpusId });
    for (const [index, document] of documents.entries()) await draft.add({ line: index + 1, document });
    const job = await draft.commit((count) => Promise.resolve((seq += count)));
    const context = { taskId: 't', requestId: 'r', tenant, queueMs: 0, signal: NOBODY_LEAVES };
    await ingestTask({ ...parts(), jobs })({ kind: 'ingest', job_id: job.id, slice: 0 }, context);
  }

  async function remove({ tenant, corpus, corpusId }: CorpusRecord, id: string): Promise<void> {
    await deleteDocuments(parts(), { tenant, corpus, corpusId, id: `delete-${corpus}`, seq: (seq += 1), documentIds: [id], begunAt: 1 });
  }

  /** A corpus on Qdrant, and a reindex of it that nobody works on yet. */
  async function begin(corpus: string): Promise<CorpusRecord> {
    await rig.makeCorpus(corpus);
    const record = await rig.record(corpus);
    await stores.documentStore.createCorpus(record);
    await stores.candidateStore.createVersion(promotedVersion(record));
    await upload(record, [
      { id: MET, text: LONG },
      { id: 'other', text: LONG },
    ]);
    const request = reindexRequestSchema.parse({
      ...rig.another(),
      chunking: { mode: 'sentences', max_tokens: 16, overlap_tokens: 4 },
      validation: { sample: 0 },
      keep_previous_s: 0,
    });
    await changeReindexes({ ...parts(), onReindex: () => undefined }, record, { op: 'start_reindex', id: corpus, request });
    return (await stores.documentStore.findCorpus(record))!;
  }

  /** Dies when the passages of the new version have been written, as `later` came between, and does no request after that. */
  async function dieUnder(record: CorpusRecord, later: () => Promise<void>): Promise<void> {
    const life = new Life(NEVER, 'before');
    const own = openQdrantStores({ url: server.url, timeoutMs: 10_000, lateLooksMs: [] });
    const cut = Promise.withResolvers<undefined>();
    const collection = `__v${String(record.reindexes![0]!.toVersion)}/points`;
    let isMet = false;
    server.intercept = async (method, path, body) => {
      if (life.ended) {
        cut.resolve(undefined);
        return UNAVAILABLE;
      }
      if (isMet || method !== 'PUT' || !path.includes(collection) || !JSON.stringify(body).includes(`"${MET}"`)) return undefined;
      isMet = true;
      await later();
      life.end();
      return undefined;
    };
    const through = { ...parts(own), documents: life.through(own.documentStore), candidates: life.through(own.candidateStore) };
    const keeper = new ReindexKeeper(through);
    await Promise.race([keeper.look().then(() => keeper.idle()), life.death]);
    await cut.promise;
    server.intercept = undefined;
    await own.candidateStore.close();
  }

  async function endBySuccessor(): Promise<void> {
    shiftMs += LEASE_MS + 1;
    const keeper = new ReindexKeeper(parts());
    while ((await stores.documentStore.listUnsettled()).length > 0) {
      await keeper.look();
      await keeper.idle();
    }
  }

  async function passagesOf(version: CorpusVersion, id: string): Promise<string[]> {
    const dense = new Float32Array(version.embedder.dimensions).fill(1 / Math.sqrt(version.embedder.dimensions));
    const found = await stores.candidateStore.retrieve(version, { mode: 'dense', dense, limit: 1_000 });
    return found.filter(({ documentId }) => documentId === id).map(({ passage }) => passage.text);
  }

  it.each([
    ['a deletion', remove, []],
    ['a shorter text', (record: CorpusRecord, id: string) => upload(record, [{ id, text: SHORT }]), [SHORT]],
  ] as const)('leaves nothing of a document in the promoted version that met %s', async (name, later, wanted) => {
    const record = await begin(name.replaceAll(' ', '-'));
    await dieUnder(record, () => later(record, MET));
    const to = record.versions.find(({ version }) => version !== record.promotedVersion)!;
    expect((await passagesOf(to, MET)).length).toBeGreaterThan(wanted.length);
    await endBySuccessor();
    const after = (await stores.documentStore.findCorpus(record))!;
    expect(after).toMatchObject({ promotedVersion: to.version, reindexes: [{ status: 'completed', failed: 0 }] });
    expect(await passagesOf(to, MET)).toEqual(wanted);
    expect((await passagesOf(to, 'other')).length).toBeGreaterThan(1);
  });
});
