import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openEmbeddedStores, type EmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { reindexRequestSchema, type CorpusTask, type SearchTask } from '@rerank-fleet/core/contracts';
import { changeReindex, openReindex, promotedVersion, requireReindex } from '@rerank-fleet/core/corpora';
import type { CorpusRecord, ReindexRecord } from '@rerank-fleet/core/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../support/tiny-models/index.js';
import type { WorkerProcess } from '../support/worker-process.js';
import { documentsFor, dumpVersion, expectSameIndex } from './reindex-support.js';
import { TENANT, WorkerStack } from './worker-support.js';

const CORPUS = 'garden';
const DOCUMENTS = documentsFor(300);
const KILLS = 20;

let stack: WorkerStack;
let stores: EmbeddedStores;
let models: string;
let settings: Readonly<Record<string, string>>;

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'rerank-embedders-'));
  const [first, second] = [join(models, 'first-embedder'), join(models, 'second-embedder')];
  await writeTinyModel(first, { kind: 'embedder', layout: 'bert' });
  await writeTinyModel(second, { kind: 'embedder', layout: 'bert', seed: 2 });
  settings = { EMBEDDING_MODEL: `${first},${second}` };
  stack = await WorkerStack.start();
  stores = openEmbeddedStores({ directory: join(stack.stateDirectory, 'store') });
});
afterAll(async () => {
  await stack.stop();
  await Promise.all([stores.documentStore.close(), stores.candidateStore.close()]);
  await rm(models, { recursive: true, force: true });
});

async function record(): Promise<CorpusRecord> {
  return (await stores.documentStore.findCorpus({ tenant: TENANT, corpus: CORPUS }))!;
}

/** Makes the corpus, if no test before has. */
async function makeCorpus(): Promise<void> {
  const found = await stores.documentStore.findCorpus({ tenant: TENANT, corpus: CORPUS });
  if (found !== undefined) return;
  await change({ op: 'put', settings: { embedding_model: 'first-embedder' } });
  const { corpusId } = await record();
  await stack.finished(await stack.ingest({ name: CORPUS, id: corpusId }, DOCUMENTS));
}

async function reindex(id: string): Promise<ReindexRecord> {
  return requireReindex(await record(), id);
}

function change(body: CorpusTask['change']): Promise<unknown> {
  return stack.call<CorpusTask>({ kind: 'corpus', corpus: CORPUS, change: body });
}

async function start(id: string, requestsPerSecond?: number): Promise<void> {
  const request = reindexRequestSchema.parse({
    embedding_model: 'second-embedder',
    chunking: { mode: 'sentences', max_tokens: 16, overlap_tokens: 4 },
    ...(requestsPerSecond === undefined ? {} : { requests_per_second: requestsPerSecond }),
  });
  await change({ op: 'start_reindex', id, request });
}

async function completed(id: string): Promise<ReindexRecord> {
  await expect.poll(async () => (await reindex(id)).status, { timeout: 30_000 }).toBe('completed');
  return await reindex(id);
}

/** As if the time of the dead worker's lease were over; that it runs out by itself is shown elsewhere. */
async function expireLease(): Promise<void> {
  for (let isWritten = false; !isWritten;) {
    const found = await record();
    const open = openReindex(found);
    if (open?.lease === undefined) return;
    const lease = { ...open.lease, until: 1 };
    isWritten = await stores.documentStore.updateCorpus(changeReindex(found, open.id, (rest) => ({ ...rest, lease })));
  }
}

/** Resolves when the checkpoint was stored anew. */
async function moved(): Promise<void> {
  const before = (await reindex('killed')).checkpoint;
  await expect.poll(async () => (await reindex('killed')).checkpoint, { timeout: 30_000, interval: 10 }).not.toBe(before);
}

/** Park and Miller's generator, so that a failure can be had again. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (state * 48_271) % 2_147_483_647;
    yield state / 2_147_483_647;
  }
}

function dump(version: number): ReturnType<typeof dumpVersion> {
  return dumpVersion(
    join(stack.stateDirectory, 'store'),
    versions.find((candidate) => candidate.version === version)!,
  );
}
let versions: CorpusRecord['versions'] = [];

describe('workers of a fleet', () => {
  it('end a reindex, point by point as it would have been, though each is killed under it at a random moment', async () => {
    let worker: WorkerProcess = await stack.startWorker(settings);
    await makeCorpus();
    await start('whole');
    await completed('whole');
    await start('killed', 5);
    const random = numbers(20_261_121);
    const checkpoints = new Set<string | undefined>();
    for (let kill = 1; kill <= KILLS; kill += 1) {
      // Every second one gets as far as its first page, so that no document is suspected for being the first each time.
      if (kill % 2 === 0) await moved();
      await sleep(800 * random.next().value);
      await worker.end('SIGKILL');
      const { status, checkpoint } = await reindex('killed');
      expect(status).toBe('building');
      checkpoints.add(checkpoint);
      await expireLease();
      worker = await stack.startWorker(settings);
    }
    // It went on between the deaths, and began anew after none.
    expect(checkpoints.size).toBeGreaterThan(KILLS / 4);
    await change({ op: 'control_reindex', id: 'killed', action: { kind: 'rethrottle', requests_per_second: null } });
    const { created, updated, failed, lease, validation } = await completed('killed');
    expect({ all: created + updated, failed, lease }).toEqual({ all: DOCUMENTS.length, failed: 0, lease: undefined });
    expect(validation).toMatchObject({ documents: { expected: DOCUMENTS.length, found: DOCUMENTS.length }, repaired: 0 });
    ({ versions } = await record());
    expect(await record()).toMatchObject({ promotedVersion: 3 });
    expectSameIndex(dump(3), dump(2));
    expect(await worker.end()).toEqual({ code: 0, signal: null });
  }, 300_000);

  it('hand a reindex on when they drain, at once and with nothing done twice, and answer searches all along', async () => {
    const first = await stack.startWorker(settings);
    await makeCorpus();
    await start('handed', 5);
    await expect.poll(async () => (await reindex('handed')).created, { timeout: 20_000 }).toBeGreaterThan(0);
    await stack.startWorker(settings);
    expect((await reindex('handed')).lease?.fence).toBe(1);
    const searching = search();
    expect(await first.end()).toEqual({ code: 0, signal: null });
    expect((await searching).length).toBeGreaterThan(0);
    await expect.poll(async () => (await reindex('handed')).lease?.fence, { timeout: 20_000 }).toBe(2);
    await change({ op: 'control_reindex', id: 'handed', action: { kind: 'rethrottle', requests_per_second: null } });
    expect(await completed('handed')).toMatchObject({ created: DOCUMENTS.length, updated: 0 });
    expect((await search()).length).toBeGreaterThan(0);
  });
});

async function search(): Promise<readonly unknown[]> {
  const body: SearchTask = {
    kind: 'search',
    version: promotedVersion(await record()),
    query: 'prune apple tree',
    mode: 'hybrid',
    top_k: 10,
    top_n: 5,
    group_by: 'document',
    long_document: 'truncate',
    deterministic: false,
  };
  return (await stack.call(body)).results;
}
