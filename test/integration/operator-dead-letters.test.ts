import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { batchJobSchema, deadLetterListSchema, type BatchJobBody, type DeadLetterBody } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { BatchJobs, sliceTaskId } from '@rerank-fleet/core/jobs';
import type { TakenTask } from '@rerank-fleet/core/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OperatedApi, SEARCHER } from './operator-support.js';
import { startReceiver } from './webhook-servers.js';
import { TENANT, WorkerStack } from './worker-support.js';

const FATAL = new RerankError('invalid_request', 'The disk of this worker is upside down.');
const WEBHOOKS_HERE = { WEBHOOK_ALLOW_PRIVATE: 'true' };
const ROW = { custom_id: 'r1', query: 'prune apple tree', documents: ['prune apple tree', 'bake apple pie'] };

let stack: WorkerStack;
let api: OperatedApi;
let queue: BullmqJobQueue;

beforeEach(async () => {
  stack = await WorkerStack.start();
  api = await OperatedApi.start({ redisUrl: stack.redis.url, stateDirectory: stack.stateDirectory, env: WEBHOOKS_HERE });
  queue = await BullmqJobQueue.open({ url: stack.redis.url });
});
afterEach(async () => {
  await queue.close();
  await api.close();
  await stack.stop();
});

const letters = async (query = ''): Promise<readonly DeadLetterBody[]> =>
  deadLetterListSchema.parse((await api.get(`/v1/admin/dead-letters${query}`)).body).data;
const retry = (id: string) => api.post(`/v1/admin/dead-letters/${id}/retry`);
const job = async (id: string): Promise<BatchJobBody> => batchJobSchema.parse((await api.get(`/v1/jobs/${id}`, SEARCHER)).body);
const ended = async (id: string): Promise<BatchJobBody> => {
  await expect.poll(async () => (await job(id)).status, { timeout: 30_000, interval: 50 }).toBe('completed');
  return await job(id);
};

async function submit(more: object = {}): Promise<string> {
  const { status, body } = await api.post('/v1/jobs', { requests: [ROW, { ...ROW, custom_id: 'r2' }], ...more }, SEARCHER);
  expect(status).toBe(202);
  return batchJobSchema.parse(body).id;
}

/** Takes one task of a queue and lets it die, as a worker does whose every attempt has failed. */
async function kill(name: string, onDead: (task: TakenTask) => Promise<void> = () => Promise.resolve()): Promise<void> {
  let dead: () => void = () => undefined;
  const died = new Promise<void>((resolve) => (dead = resolve));
  const consumer = await queue.consume(name, () => Promise.reject(FATAL), {
    concurrency: 1,
    lockMs: 5_000,
    onDead: (task) => void onDead(task).then(dead),
  });
  await died;
  await consumer.close(1_000);
}

/** Both queues of batch jobs: a tenant that comes new goes through the express one. */
async function killSlice(): Promise<void> {
  await kill('express-default');
}

/** A fleet that knows the models of its pool, and has no worker now. */
async function knowModels(): Promise<void> {
  const worker = await stack.startWorker();
  await stack.makeCorpus('manuals');
  await worker.end();
}

describe('the dead letter of a slice', () => {
  it('is listed with its job and its fault, and goes back to its queue while its rows have not ended', async () => {
    await knowModels();
    const id = await submit();
    await killSlice();
    const [letter, ...more] = await letters();
    expect(more).toEqual([]);
    expect(letter).toEqual({
      object: 'dead_letter',
      id: `express-default.${id}-0`,
      queue: 'express-default',
      kind: 'express',
      tenant: TENANT,
      job_id: id,
      slice: 0,
      attempts: 1,
      failed_at: expect.any(Number) as number,
      detail: expect.stringContaining('upside down') as string,
    });
    expect((await api.get('/v1/admin/dead-letters', SEARCHER)).status).toBe(403);
    expect(await retry(letter!.id)).toMatchObject({ status: 202, body: { queue: 'express-default', job_id: id } });
    expect(await letters()).toEqual([]);
    expect((await retry(letter!.id)).body).toMatchObject({ code: 'dead_letter_not_found' });
    await stack.startWorker();
    expect((await ended(id)).request_counts).toMatchObject({ total: 2, succeeded: 2, errored: 0 });
  });

  it('becomes a new job of the errored requests once its own has ended, whatever number of letters it left', async () => {
    await knowModels();
    const id = await submit();
    const jobs = new BatchJobs(stack.api.blobs);
    const record = (await jobs.record(TENANT, id))!;
    await kill('express-default', async () => {
      // As the worker does: each row of the slice ends with what went wrong.
      const lines = (await jobs.rows(record, 0)).map(({ row, request }) => ({
        row,
        custom_id: String(request['custom_id']),
        status: 'errored' as const,
        error: { code: FATAL.code, message: FATAL.detail },
      }));
      const counts = { succeeded: 0, errored: 2, cancelled: 0, expired: 0, pairs: 0 };
      await jobs.writeResults(record, { v: 1, slice: 0, ...counts }, lines);
    });
    const [letter] = await letters();
    expect((await retry(letter!.id)).body).toMatchObject({ code: 'job_not_ended' });
    await stack.api.batchLedger.commit(id, 0, { succeeded: 0, errored: 2, cancelled: 0, expired: 0, pairs: 0 });
    expect((await ended(id)).request_counts).toMatchObject({ errored: 2 });
    const { status, body } = await retry(letter!.id);
    expect(status).toBe(202);
    expect(body).toMatchObject({ job_id: id });
    expect(await letters()).toEqual([]);
    await stack.startWorker();
    const again = await ended(String(body['retry_job_id']));
    expect(again).toMatchObject({ retry_of: id, request_counts: { total: 2, succeeded: 2 } });
    // What has ended is as it was.
    expect((await job(id)).request_counts).toMatchObject({ succeeded: 0, errored: 2 });
  });

  it('cannot be retried when its job was removed, and can be removed itself', async () => {
    await knowModels();
    const id = await submit();
    await killSlice();
    const record = (await new BatchJobs(stack.api.blobs).record(TENANT, id))!;
    await new BatchJobs(stack.api.blobs).remove(record);
    const [letter] = await letters('?queue=express-default&limit=5');
    expect(await retry(letter!.id)).toMatchObject({ status: 409, body: { code: 'dead_letter_expired' } });
    expect((await api.delete(`/v1/admin/dead-letters/${letter!.id}`)).status).toBe(204);
    expect(await letters()).toEqual([]);
    expect((await api.delete(`/v1/admin/dead-letters/${letter!.id}`)).body).toMatchObject({ code: 'dead_letter_not_found' });
  });

  it.each(['nonsense', 'sync-default.a', 'ingest.job_0', '..%2f'])('there is none of the id %s', async (id) => {
    expect((await retry(id)).body).toMatchObject({ code: 'dead_letter_not_found' });
  });
});

describe('the dead letter of an upload', () => {
  const documents = Array.from({ length: 300 }, (_, at) => ({ id: `d${at}`, text: 'prune apple tree' }));

  it('is stored after all while its upload goes on, and the counts are right', async () => {
    await knowModels();
    const corpus = (await stack.api.documentStore.findCorpus({ tenant: TENANT, corpus: 'manuals' }))!;
    const id = await stack.ingest({ name: 'manuals', id: corpus.corpusId }, documents);
    // The first slice dies; the second waits.
    const only = sliceTaskId(id, 1);
    const waiting = await queue.discard('ingest', only);
    expect(waiting).toBe(true);
    await kill('ingest', () => stack.api.jobs.giveUpSlice(TENANT, id, 0, FATAL));
    expect((await stack.api.jobs.find(TENANT, id))?.request_counts).toMatchObject({ errored: 256, processing: 44 });
    const [letter] = await letters();
    expect(letter).toMatchObject({ id: `ingest.${sliceTaskId(id, 0)}`, kind: 'ingest', job_id: id, slice: 0, tenant: TENANT });
    expect(await retry(letter!.id)).toMatchObject({ status: 202, body: { job_id: id } });
    expect((await stack.api.jobs.find(TENANT, id))?.request_counts).toMatchObject({ errored: 0, processing: 300 });
    // Its start finds the other slice, whose task is lost.
    await stack.startWorker();
    expect((await stack.finished(id))?.request_counts).toMatchObject({ total: 300, succeeded: 300, errored: 0 });
    expect(await letters()).toEqual([]);
  });

  it('cannot be retried when its upload has ended: its documents have to be sent again', async () => {
    const id = await stack.ingest({ name: 'manuals', id: 'id-manuals' }, documents.slice(0, 3));
    await kill('ingest', () => stack.api.jobs.giveUpSlice(TENANT, id, 0, FATAL));
    const [letter] = await letters();
    const refused = await retry(letter!.id);
    expect(refused).toMatchObject({ status: 409, body: { code: 'dead_letter_expired' } });
    expect(String(refused.body['detail'])).toContain('send them again');
    expect((await stack.finished(id))?.request_counts).toMatchObject({ errored: 3 });
  });
});

describe('the dead letter of a webhook', () => {
  it('is sent again, as often as it takes', async () => {
    let isGone = true;
    const receiver = await startReceiver((response) => response.writeHead(isGone ? 410 : 200).end());
    await stack.startWorker(WEBHOOKS_HERE);
    const id = await submit({ webhook: { url: `http://127.0.0.1:${receiver.port}/hook`, secret: 'a secret of the receiver' } });
    await expect.poll(async () => (await letters()).length, { timeout: 30_000, interval: 50 }).toBe(1);
    const [letter] = await letters();
    expect(letter).toMatchObject({ id: `webhooks.${id}`, kind: 'webhooks', tenant: TENANT, job_id: id });
    isGone = false;
    expect((await retry(letter!.id)).status).toBe(202);
    await expect.poll(async () => (await job(id)).webhook?.status, { timeout: 30_000, interval: 50 }).toBe('delivered');
    expect(receiver.received).toHaveLength(2);
    expect(await letters()).toEqual([]);
    await receiver.stop();
  });
});
