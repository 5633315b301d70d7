import { openEmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { deadLetterListSchema, INGEST_QUEUE, taskPayloadSchema, type DeadLetterBody } from '@rerank-fleet/core/contracts';
import type { PendingDelete } from '@rerank-fleet/core/domain';
import { InvariantError } from '@rerank-fleet/core/errors';
import type { QueueConsumer } from '@rerank-fleet/core/ports';
import { corpusTask, type CorpusParts } from '@rerank-fleet/worker/ingest/corpus-task';
import { deleteDocuments } from '@rerank-fleet/worker/ingest/delete-documents';
import { REFUSED_DELETION_RETRIES, RefusedDeletions } from '@rerank-fleet/worker/ingest/refused-deletions';
import { settleDeletes } from '@rerank-fleet/worker/ingest/settle-deletes';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { indexed, passage, recordOf, stored, versionOf } from '../conformance/store-fixtures.js';
import { RedisServer } from '../support/redis-server.js';
import { OperatedApi } from './operator-support.js';

const VERSION = versionOf('default');
const RECORD = recordOf(VERSION);
const PENDING: PendingDelete = {
  tenant: 'default',
  corpus: RECORD.corpus,
  corpusId: RECORD.corpusId,
  id: '5',
  seq: 5,
  documentIds: ['a'],
  begunAt: 1_700_000_000_000,
};
const log = { info: () => undefined, warn: () => undefined };

let directory: string;
let redis: RedisServer;
let queue: BullmqJobQueue;
let stores: ReturnType<typeof openEmbeddedStores>;
let consumer: QueueConsumer | undefined;
/** Deletes that reached the index, and whether it refuses them. */
let [asked, isRefusing] = [0, true];

beforeEach(async () => {
  [asked, isRefusing] = [0, true];
  directory = await mkdtemp(join(tmpdir(), 'rerank-refused-'));
  redis = await RedisServer.start();
  queue = await BullmqJobQueue.open({ url: redis.url });
  stores = openEmbeddedStores({ directory: join(directory, 'store') });
  await stores.documentStore.createCorpus(RECORD);
  await stores.candidateStore.createVersion(VERSION);
  await stores.documentStore.putDocuments(RECORD, [stored('a', 1), stored('b', 1)]);
  await stores.candidateStore.writeDocuments(
    VERSION,
    ['a', 'b'].map((id) => indexed(id, 1, [passage(0, 0, {})])),
  );
});
afterEach(async () => {
  await consumer?.close(1_000);
  consumer = undefined;
  await queue.close();
  await redis.stop();
  await Promise.all([stores.documentStore.close(), stores.candidateStore.close()]);
  await rm(directory, { recursive: true, force: true });
});

/** As a server that finds fault with each delete. */
const candidates = (): CorpusParts['candidates'] =>
  new Proxy(stores.candidateStore, {
    get: (target, name) => {
      if (name !== 'deleteDocuments') return (Reflect.get(target, name) as (...values: unknown[]) => unknown).bind(target);
      return (...values: Parameters<typeof target.deleteDocuments>) => {
        asked += 1;
        if (isRefusing) return Promise.reject(new InvariantError('The request was refused with status 400.'));
        return target.deleteDocuments(...values);
      };
    },
  });

const parts = () => ({ documents: stores.documentStore, candidates: candidates() });
const pending = () => stores.documentStore.listPendingDeletes();
const refused = () => new RefusedDeletions({ queue, now: () => Date.now(), backoff: { firstMs: 1, lastMs: 2 } });
const sweep = () => settleDeletes({ ...parts(), refused: refused(), now: () => Date.now(), log });

/** The share of a worker that takes the queue of uploads. */
async function consume(): Promise<() => Promise<unknown>> {
  const unused = {} as Pick<CorpusParts, 'embedders' | 'external'>;
  const nothing = (): void => undefined;
  const task = corpusTask({ ...parts(), ...unused, now: () => Date.now(), onReindex: nothing, onDeletionCut: nothing });
  const died = Promise.withResolvers<unknown>();
  consumer = await queue.consume(
    INGEST_QUEUE,
    async ({ payload }) => {
      const { body, tenant } = taskPayloadSchema.parse(payload);
      if (body?.kind === 'corpus') await task(body, { tenant } as Parameters<typeof task>[1]);
    },
    { concurrency: 1, lockMs: 5_000, onDead: died.resolve },
  );
  return () => died.promise;
}

describe('a deletion that an index refuses for good', () => {
  beforeEach(async () => {
    await expect(deleteDocuments(parts(), PENDING)).rejects.toThrow('refused with status 400');
  });

  it('is tried so many times, and then left alone with all that is known of it', async () => {
    await sweep();
    asked = 0;
    const died = await consume();
    await died();
    expect(asked).toBe(REFUSED_DELETION_RETRIES + 1);
    for (let round = 1; round <= 3; round += 1) await sweep();
    expect(asked).toBe(REFUSED_DELETION_RETRIES + 1);
    expect(await pending()).toEqual([PENDING]);
    expect(await stores.documentStore.countDeleted(RECORD, 5)).toBe(1);
  });

  it('is listed as a dead letter, which an operator retries once the index takes it', async () => {
    await sweep();
    const died = await consume();
    await died();
    const api = await OperatedApi.start({ redisUrl: redis.url, stateDirectory: directory });
    try {
      const letters = async (): Promise<readonly DeadLetterBody[]> =>
        deadLetterListSchema.parse((await api.get('/v1/admin/dead-letters')).body).data;
      const [letter, ...more] = await letters();
      expect(more).toEqual([]);
      expect(letter).toMatchObject({ queue: 'ingest', tenant: 'default', corpus: RECORD.corpus, attempts: REFUSED_DELETION_RETRIES + 1 });
      expect(letter).not.toHaveProperty('job_id');
      expect(letter!.detail).toContain('refused with status 400');
      isRefusing = false;
      expect(await api.post(`/v1/admin/dead-letters/${letter!.id}/retry`)).toMatchObject({ status: 202, body: { queue: 'ingest' } });
      await expect.poll(pending, { timeout: 20_000 }).toEqual([]);
      expect(await letters()).toEqual([]);
      expect(await stores.candidateStore.countDocuments(VERSION)).toBe(1);
    } finally {
      await api.close();
    }
  });

  it('is told to a queue that has forgotten it', async () => {
    await sweep();
    expect(await refused().has(PENDING)).toBe(true);
    await queue.discard(INGEST_QUEUE, 'delete-5');
    expect(await refused().has(PENDING)).toBe(false);
    await sweep();
    expect(await refused().has(PENDING)).toBe(true);
  });

  it('is done where its corpus has gone when the queue comes to it', async () => {
    await sweep();
    await stores.documentStore.deleteCorpus(RECORD);
    await consume();
    await expect.poll(pending, { timeout: 20_000 }).toEqual([]);
    await expect.poll(() => refused().has(PENDING), { timeout: 20_000 }).toBe(false);
  });
});
