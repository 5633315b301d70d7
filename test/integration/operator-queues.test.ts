import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { INGEST_QUEUE, queueListSchema, type QueueBody } from '@rerank-fleet/core/contracts';
import type { PendingDelete } from '@rerank-fleet/core/domain';
import { RefusedDeletions } from '@rerank-fleet/worker/ingest/refused-deletions';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TINY_FAULTS } from '../support/tiny-models/index.js';
import { OperatedApi, SEARCHER } from './operator-support.js';
import { TENANT, WorkerStack } from './worker-support.js';

const QUERY = { query: 'prune apple tree', documents: ['prune apple tree', 'bake apple pie'] };
/** Of no worker: its calls wait for ever. */
const NOBODY = 'sync-nobody';

let stack: WorkerStack;
let api: OperatedApi;

beforeEach(async () => {
  stack = await WorkerStack.start();
  api = await OperatedApi.start({ redisUrl: stack.redis.url, stateDirectory: stack.stateDirectory });
});
afterEach(async () => {
  await api.close();
  await stack.stop();
});

async function queue(name: string): Promise<QueueBody> {
  const found = queueListSchema.parse((await api.get('/v1/admin/queues')).body).data.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no queue ${name}`);
  return found;
}
const rerank = (fields = {}) => api.post('/v1/rerank', { ...QUERY, ...fields }, SEARCHER);
const untilWaiting = (name: string, count: number) =>
  expect.poll(async () => (await queue(name)).waiting, { timeout: 10_000, interval: 20 }).toBe(count);

describe('GET /v1/admin/queues', () => {
  it('shows each queue of each pool, and is for operators', async () => {
    const { status, body } = await api.get('/v1/admin/queues');
    expect(status).toBe(200);
    const names = queueListSchema.parse(body).data.map(({ name }) => name);
    expect(names).toEqual(['sync-default', 'batch-default', 'express-default', 'ingest', 'webhooks']);
    expect(await queue('sync-default')).toEqual({
      object: 'queue',
      name: 'sync-default',
      kind: 'sync',
      pool: 'default',
      paused: false,
      waiting: 0,
      prioritized: 0,
      delayed: 0,
      active: 0,
      failed: 0,
      oldest_age_s: 0,
    });
    expect((await api.get('/v1/admin/queues', SEARCHER)).body).toMatchObject({ code: 'forbidden' });
    expect((await api.get('/v1/admin/queues', '')).status).toBe(401);
    for (const action of ['pause', 'resume', 'drain'])
      expect((await api.post(`/v1/admin/queues/sync-default/${action}`, undefined, SEARCHER)).status).toBe(403);
  });

  it('says how long what goes next has waited, and what waits by priority', async () => {
    const body = { kind: 'corpus', corpus: 'c', change: { op: 'delete' } } as const;
    for (const priority of [undefined, 5]) {
      const waits = { pool: 'default', timeoutMs: 60_000, ...(priority === undefined ? {} : { priority }) };
      void stack.call(body, waits).catch(() => undefined);
    }
    await expect.poll(async () => (await queue('sync-default')).oldest_age_s, { timeout: 10_000 }).toBeGreaterThan(0.2);
    expect(await queue('sync-default')).toMatchObject({ waiting: 1, prioritized: 1 });
  });

  it('answers 404 for a queue that the fleet has not', async () => {
    for (const action of ['pause', 'resume', 'drain'])
      expect((await api.post(`/v1/admin/queues/${NOBODY}/${action}`)).body).toMatchObject({ code: 'queue_not_found' });
  });
});

describe('a paused queue of calls', () => {
  it('is taken from by no worker, refuses calls at once, and serves again when it is resumed', async () => {
    await stack.startWorker();
    expect((await rerank()).status).toBe(200);
    expect((await api.post('/v1/admin/queues/sync-default/pause')).body).toMatchObject({ name: 'sync-default', paused: true });
    // A process notices it within half a second; a call that comes before waits, here for a second.
    await expect.poll(async () => (await rerank({ timeout_ms: 1_000 })).status, { timeout: 5_000 }).toBe(503);
    const begun = performance.now();
    const refused = await rerank();
    expect(refused.body).toMatchObject({ code: 'queue_paused' });
    expect(refused.headers.get('retry-after')).toBe('30');
    // The call's own deadline is a minute.
    expect(performance.now() - begun).toBeLessThan(10_000);
    // The API is ready for all else.
    expect((await api.get('/health/ready', '')).status).toBe(200);
    expect((await api.post('/v1/admin/queues/sync-default/resume')).body).toMatchObject({ paused: false });
    await expect.poll(async () => (await rerank()).status, { timeout: 5_000 }).toBe(200);
  });

  it('lets calls that came before the pause wait, and says at their deadline why they were not begun', async () => {
    // What this process remembers is that the queue is not paused.
    await expect(stack.call(await stack.rerankBody(['a']), { timeoutMs: 100 })).rejects.toMatchObject({ code: 'model_unavailable' });
    await api.post('/v1/admin/queues/sync-default/pause');
    const early = stack.call(await stack.rerankBody(['a']), { timeoutMs: 1_500 });
    await expect(early).rejects.toMatchObject({ code: 'queue_paused' });
  });

  it('stays paused while workers come and go, and Redis restarts', async () => {
    await api.post('/v1/admin/queues/sync-default/pause');
    await stack.redis.kill('SIGTERM');
    await stack.redis.resume();
    await stack.startWorker();
    await expect.poll(async () => (await api.get('/v1/admin/queues')).status, { timeout: 15_000 }).toBe(200);
    expect((await queue('sync-default')).paused).toBe(true);
  });
});

describe('draining a queue of calls', () => {
  it('tells each caller at once, forgets their bodies, and leaves nothing for a worker', async () => {
    const small = await stack.rerankBody(['prune apple tree']);
    const large = await stack.rerankBody(['x'.repeat(100_000)]);
    const calls = [stack.call(small, { timeoutMs: 60_000 }), stack.call(large, { timeoutMs: 60_000, priority: 3 })];
    await expect
      .poll(async () => [(await queue('sync-default')).waiting, (await queue('sync-default')).prioritized], { timeout: 10_000 })
      .toEqual([1, 1]);
    expect(await stack.keys('body')).toHaveLength(1);
    const { status, body } = await api.post('/v1/admin/queues/sync-default/drain');
    expect(status).toBe(200);
    expect(body).toMatchObject({ name: 'sync-default', waiting: 0, prioritized: 0, drained: 2 });
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'queue_drained', retryAfterS: 5 });
    expect(await stack.keys('body')).toEqual([]);
    expect((await api.post('/v1/admin/queues/sync-default/drain')).body).toMatchObject({ drained: 0 });
    await stack.startWorker();
    expect((await rerank()).status).toBe(200);
  });

  it('leaves alone what a worker has in hand', async () => {
    await stack.startWorker({ SYNC_CONCURRENCY: '1' });
    const slow = Array.from({ length: 8 }, (_, at) => `${TINY_FAULTS.slow} ${at}`);
    const running = stack.call(await stack.rerankBody(slow, { deterministic: true }), { timeoutMs: 60_000 });
    await expect.poll(async () => (await queue('sync-default')).active, { timeout: 10_000, interval: 10 }).toBe(1);
    const waiting = stack.call(await stack.rerankBody(['prune apple tree']), { timeoutMs: 60_000 });
    await untilWaiting('sync-default', 1);
    expect((await api.post('/v1/admin/queues/sync-default/drain')).body).toMatchObject({ drained: 1, waiting: 0 });
    await expect(waiting).rejects.toMatchObject({ code: 'queue_drained' });
    expect((await running).results).toHaveLength(8);
  });
});

describe('draining uploads', () => {
  const documents = Array.from({ length: 300 }, (_, at) => ({ id: `d${at}`, text: 'prune apple tree' }));

  it('needs a pause, ends each document as errored, and what is drained stays so', async () => {
    const id = await stack.ingest({ name: 'manuals', id: 'id-manuals' }, documents);
    await untilWaiting('ingest', 2);
    const early = await api.post('/v1/admin/queues/ingest/drain');
    expect(early).toMatchObject({ status: 409, body: { code: 'queue_not_drainable' } });
    expect(String(early.body['detail'])).toContain('Pause the queue first');
    await api.post('/v1/admin/queues/ingest/pause');
    expect((await api.post('/v1/admin/queues/ingest/drain')).body).toMatchObject({ paused: true, waiting: 0, drained: 2 });
    const job = await stack.finished(id);
    expect(job?.request_counts).toMatchObject({ total: 300, succeeded: 0, errored: 300, processing: 0 });
    expect(new Set(job?.errors.map(({ code }) => code))).toEqual(new Set(['queue_drained']));
    await api.post('/v1/admin/queues/ingest/resume');
    // A worker looks for lost slices when it starts, and finds none.
    await stack.startWorker();
    expect(await stack.api.jobs.find(TENANT, id)).toEqual(job);
    expect(await queue('ingest')).toMatchObject({ waiting: 0, delayed: 0, failed: 0 });
  });
});

describe('draining uploads beside deletions', () => {
  /** More than are looked at at once. */
  const DELETIONS = 101;

  it('takes out the uploads, and leaves every deletion that waits to be tried again', async () => {
    const own = await BullmqJobQueue.open({ url: stack.redis.url });
    try {
      await own.pause(INGEST_QUEUE);
      const refused = new RefusedDeletions({ queue: own, now: () => Date.now() });
      const deletion = (seq: number): PendingDelete => ({
        ...{ tenant: TENANT, corpus: 'manuals', corpusId: 'id-manuals', begunAt: 1 },
        ...{ id: String(seq), seq, documentIds: ['a'] },
      });
      for (let seq = 1; seq <= DELETIONS; seq += 1) await refused.take(deletion(seq));
      const id = await stack.ingest({ name: 'manuals', id: 'id-manuals' }, [{ id: 'd', text: 'prune apple tree' }]);
      await untilWaiting('ingest', DELETIONS + 1);
      expect((await api.post('/v1/admin/queues/ingest/drain')).body).toMatchObject({ drained: 1, waiting: DELETIONS });
      expect((await stack.finished(id))?.request_counts).toMatchObject({ total: 1, errored: 1 });
      for (const seq of [1, DELETIONS]) expect(await refused.has(deletion(seq))).toBe(true);
      expect((await api.post('/v1/admin/queues/ingest/drain')).body).toMatchObject({ drained: 0, waiting: DELETIONS });
    } finally {
      await own.close();
    }
  });
});

describe('queues that cannot be drained', () => {
  it.each([
    ['batch-default', 'Cancel the jobs'],
    ['express-default', 'Cancel the jobs'],
    ['webhooks', 'Delete the jobs'],
  ])('are refused, with what to do instead: %s', async (name, advice) => {
    const { status, body } = await api.post(`/v1/admin/queues/${name}/drain`);
    expect(status).toBe(409);
    expect(body['code']).toBe('queue_not_drainable');
    expect(String(body['detail'])).toContain(advice);
  });
});
