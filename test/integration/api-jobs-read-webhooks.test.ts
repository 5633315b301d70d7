import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { batchJobSchema, verifyWebhook, WEBHOOKS_QUEUE, type BatchJobBody } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { BatchJobs, enqueueWebhook, type BatchRecord } from '@rerank-fleet/core/jobs';
import type { QueueConsumer } from '@rerank-fleet/core/ports';
import { WEBHOOK_RETRIES } from '@rerank-fleet/core/webhooks';
import { consumeWebhooks } from '@rerank-fleet/worker/webhooks/consume-webhooks';
import { webhookTask } from '@rerank-fleet/worker/webhooks/webhook-task';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { JobsReadApi } from './api-jobs-read-support.js';
import { WorkerStack } from './worker-support.js';
import { startReceiver, type Receiver } from './webhook-servers.js';

const SECRET = 'a secret of the receiver';

let redis: RedisServer;
let connection: Awaited<ReturnType<typeof connectRedis>>;
let stack: JobsReadApi;
let queue: BullmqJobQueue;
let receiver: Receiver | undefined;
let consumer: QueueConsumer | undefined;
let log: string[];

beforeAll(async () => {
  redis = await RedisServer.start();
  connection = await connectRedis(redis.url, { role: 'consumer', name: 'test' });
});
beforeEach(async () => {
  await connection.flushall();
  // The API takes the URL; the workers of these tests decide where webhooks may go.
  stack = await JobsReadApi.start({ redis, env: { WEBHOOK_ALLOW_PRIVATE: 'true' } });
  queue = await BullmqJobQueue.open({ url: redis.url });
  log = [];
});
afterEach(async () => {
  await consumer?.close(1_000);
  await receiver?.stop();
  consumer = receiver = undefined;
  await queue.close();
  await stack.close();
});
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

async function work(allowPrivate = true): Promise<void> {
  const webhooks = { timeoutMs: 5_000, allowPrivate, allowedCidrs: [] };
  const warn = (fields: object, message: string): void => void log.push(JSON.stringify(fields) + message);
  consumer = await consumeWebhooks({ config: { webhooks }, queue, blobs: stack.api.blobs, log: { warn } as never });
}

const submit = (port: number): Promise<BatchRecord> =>
  stack.submit([true, false], { webhook: { url: `http://127.0.0.1:${port}/hook`, secret: SECRET } });
const job = async ({ id }: BatchRecord): Promise<BatchJobBody> => batchJobSchema.parse(await (await stack.get(`/v1/jobs/${id}`)).json());

describe('the webhook of a job', () => {
  it('brings the job as it ended, signed, and is tried again after a fault of the receiver', async () => {
    receiver = await startReceiver((response, { headers }) => {
      response.writeHead(receiver!.received.length === 1 ? 500 : 204).end();
      expect(headers['content-type']).toBe('application/json');
    });
    const record = await submit(receiver.port);
    expect((await job(record)).webhook).toEqual({ url: `http://127.0.0.1:${receiver.port}/hook` });
    await work();
    await stack.finish(record);
    await expect
      .poll(async () => (await job(record)).webhook, { timeout: 10_000 })
      .toMatchObject({
        status: 'retrying',
        attempts: 1,
        last_status: 500,
        detail: 'The webhook answered 500.',
      });
    await expect
      .poll(async () => (await job(record)).webhook, { timeout: 20_000 })
      .toEqual({
        url: `http://127.0.0.1:${receiver.port}/hook`,
        status: 'delivered',
        attempts: 2,
        last_status: 204,
      });
    const [first, second] = receiver.received;
    expect(second?.body).toBe(first?.body);
    expect(second?.headers['x-webhook-id']).toBe(record.id);
    for (const { headers, body } of [first!, second!]) expect(await verifyWebhook(SECRET, body, String(headers['x-signature']))).toBe(true);
    const sent = batchJobSchema.parse(JSON.parse(first!.body));
    const { webhook: _, ...ended } = await job(record);
    expect(sent).toMatchObject(ended);
    expect(sent).toMatchObject({ status: 'completed', request_counts: { succeeded: 1, errored: 1 } });
    // The queue has nothing of it any more, and being told of the end again sends nothing.
    expect(await queue.depth(WEBHOOKS_QUEUE)).toEqual({ waiting: 0, active: 0 });
    await enqueueWebhook(queue, record);
    await expect.poll(() => queue.depth(WEBHOOKS_QUEUE)).toEqual({ waiting: 0, active: 0 });
    expect(receiver.received).toHaveLength(2);
  });

  it('goes to no private address, says so, and lies among the dead letters', async () => {
    receiver = await startReceiver((response) => void response.end());
    const record = await submit(receiver.port);
    await work(false);
    await stack.finish(record);
    await expect.poll(async () => (await job(record)).webhook?.status, { timeout: 10_000 }).toBe('refused');
    const { webhook } = await job(record);
    expect(webhook).toMatchObject({ attempts: 1 });
    expect(webhook?.detail).not.toContain('127.0.0.1');
    expect(receiver.received).toEqual([]);
    await expect.poll(() => connection.zrange(`{rf}:${WEBHOOKS_QUEUE}:failed`, '0', '-1')).toEqual([record.id]);
    expect(log).toHaveLength(1);
  });

  it('never shows its secret: not in the queue, the log, an answer or an event', async () => {
    receiver = await startReceiver((response) => void response.writeHead(400).end());
    const record = await submit(receiver.port);
    await stack.finish(record);
    const task = await connection.hgetall(`{rf}:${WEBHOOKS_QUEUE}:${record.id}`);
    expect(JSON.parse(task['data'] ?? '')).toEqual({ v: 1, tenant: 'default', job_id: record.id });
    await work();
    await expect.poll(async () => (await job(record)).webhook?.status, { timeout: 10_000 }).toBe('refused');
    const keys = await connection.keys('*');
    const dump = await Promise.all(keys.map(async (key) => (await connection.dumpBuffer(key))?.toString('latin1') ?? ''));
    const events = await (await stack.get(`/v1/jobs/${record.id}/events`)).text();
    const list = await (await stack.get('/v1/jobs')).text();
    for (const text of [...dump, ...stack.api.log, ...log, events, list, JSON.stringify(await job(record)), receiver.received[0]!.body])
      expect(text).not.toContain(SECRET);
  });

  it('has failed when its last attempt has', async () => {
    receiver = await startReceiver((response) => void response.writeHead(503).end());
    const record = await submit(receiver.port);
    await stack.finish(record);
    const warn = (): void => undefined;
    const deliver = async () => ({ kind: 'retry' as const, reason: 'answered 503', status: 503 });
    const task = webhookTask({ jobs: stack.api.jobs, sender: { deliver }, log: { warn } });
    const payload = { v: 1, tenant: 'default', job_id: record.id };
    for (const attempt of [0, WEBHOOK_RETRIES])
      await expect(task({ id: record.id, payload, attempt })).rejects.toThrow(expect.objectContaining({ code: 'webhook_failed' }) as Error);
    expect((await job(record)).webhook).toMatchObject({ status: 'failed', attempts: 2, last_status: 503 });
  });

  it('is being retried from when a worker sends it again that was given up', async () => {
    const record = await submit(9_999);
    await stack.finish(record);
    await stack.api.jobs.noteWebhook(record, { status: 'failed', attempts: 34, last_status: 503, detail: 'The webhook answered 503.' });
    const seen: unknown[] = [];
    const deliver = async () => {
      seen.push((await job(record)).webhook);
      return { kind: 'delivered' as const, status: 200 };
    };
    const task = webhookTask({ jobs: stack.api.jobs, sender: { deliver }, log: { warn: () => undefined } });
    await task({ id: record.id, payload: { v: 1, tenant: 'default', job_id: record.id }, attempt: 0 });
    expect(seen).toEqual([expect.objectContaining({ status: 'retrying', attempts: 34, last_status: 503 })]);
    expect((await job(record)).webhook).toMatchObject({ status: 'delivered', attempts: 35 });
  });

  it('is not sent twice because its outcome could not be noted', async () => {
    const record = await submit(9_999);
    await stack.finish(record);
    const { jobs } = stack.api;
    const noteWebhook = () => Promise.reject(new RerankError('storage_full', 'The disk is full.'));
    const asIs = {
      record: jobs.record.bind(jobs),
      done: jobs.done.bind(jobs),
      webhook: jobs.webhook.bind(jobs),
      isThere: jobs.isThere.bind(jobs),
    };
    const told: string[] = [];
    const task = webhookTask({
      jobs: { ...asIs, noteWebhook },
      sender: { deliver: async () => ({ kind: 'delivered', status: 200 }) },
      log: { warn: (_fields, message) => void told.push(message) },
    });
    await task({ id: record.id, payload: { v: 1, tenant: 'default', job_id: record.id }, attempt: 0 });
    expect(told).toEqual(['How a webhook fared could not be noted.']);
  });

  it('is not sent for a job that was removed', async () => {
    receiver = await startReceiver((response) => void response.end());
    const record = await submit(receiver.port);
    await stack.finish(record);
    expect((await stack.get(`/v1/jobs/${record.id}`, {}, 'DELETE')).status).toBe(204);
    await work();
    await expect.poll(() => queue.depth(WEBHOOKS_QUEUE), { timeout: 10_000 }).toEqual({ waiting: 0, active: 0 });
    expect(receiver.received).toEqual([]);
    expect(await stack.api.kept()).toEqual([]);
  });

  it('is sent for a cancelled job, too', async () => {
    receiver = await startReceiver((response) => void response.end());
    const record = await submit(receiver.port);
    await work();
    await stack.keeper.close(record, 'cancelled');
    await stack.keeper.finish(record.tenant, record.id);
    await expect.poll(() => receiver!.received.length, { timeout: 10_000 }).toBe(1);
    expect(JSON.parse(receiver.received[0]!.body)).toMatchObject({ status: 'cancelled', request_counts: { cancelled: 1, errored: 1 } });
  });
});

describe('a worker', () => {
  it('sends the webhook of a job that it has ended', async () => {
    receiver = await startReceiver((response) => void response.end());
    const fleet = await WorkerStack.start();
    try {
      const jobs = new BatchJobs(fleet.api.blobs);
      const upload = jobs.begin('default');
      await upload.add({
        row: 1,
        json: JSON.stringify({ custom_id: 'a', query: 'prune', documents: ['apple tree'] }),
        pairs: 1,
        tokens: 1,
      });
      const totals = await upload.finish();
      const times = { created_ms: Date.now(), expires_ms: Date.now() + 600_000 };
      const webhook = { url: `http://127.0.0.1:${receiver.port}/hook`, secret: SECRET };
      const record: BatchRecord = {
        ...{ v: 1, id: upload.id, tenant: 'default', dialect: 'native', pool: 'default', priority: 50, webhook },
        ...times,
        ...totals,
      };
      await jobs.create(record);
      // Its keeper finds the job at its start.
      await fleet.startWorker({ WEBHOOK_ALLOW_PRIVATE: 'true' });
      await expect.poll(() => jobs.webhook(record), { timeout: 40_000 }).toMatchObject({ status: 'delivered', attempts: 1 });
      const [{ headers, body } = { headers: {}, body: '' }] = receiver.received;
      expect(JSON.parse(body)).toMatchObject({ id: record.id, status: 'completed', request_counts: { succeeded: 1 } });
      expect(headers['user-agent']).toMatch(/^rerank-fleet\/\d/);
    } finally {
      await fleet.stop();
    }
  });
});
