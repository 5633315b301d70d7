import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { INGEST_QUEUE, TASK_VERSION, WEBHOOKS_QUEUE } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { runCli, type CliRun } from './cli-process.js';
import { OPERATOR, OperatedApi, SEARCHER } from './operator-support.js';

let redis: RedisServer;
let stateDirectory: string;
let api: OperatedApi;

beforeAll(async () => {
  [redis, stateDirectory] = await Promise.all([RedisServer.start(), mkdtemp(join(tmpdir(), 'rerank-admin-'))]);
  api = await OperatedApi.start({ redisUrl: redis.url, stateDirectory });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
  await rm(stateDirectory, { recursive: true, force: true });
});

const admin = (...args: string[]): Promise<CliRun> =>
  runCli(['admin', ...args], { env: { RERANK_URL: api.url, RERANK_API_KEY: OPERATOR } });
const json = async (...args: string[]): Promise<unknown> => JSON.parse((await admin(...args, '--json')).stdout);

describe('rerank admin queues, pause, resume and drain', () => {
  it('show, pause and resume queues', async () => {
    expect((await admin('pause', 'batch-default')).stdout).toBe(
      'batch-default is paused: 0 wait, 0 in hand. `rerank admin resume batch-default` goes on.\n',
    );
    const { stdout, status } = await admin('queues');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^queue +waiting +prioritized +delayed +in hand +dead +oldest/);
    expect(stdout).toMatch(/batch-default.* paused\n/);
    expect(stdout).not.toMatch(/sync-default.* paused\n/);
    expect((await admin('resume', 'batch-default')).stdout).toBe('batch-default goes on: 0 wait, 0 in hand.\n');
    expect(await json('queues')).toContainEqual(expect.objectContaining({ name: 'batch-default', paused: false }));
  });

  it('tells how many tasks were taken out, and what to do where none may be', async () => {
    expect((await admin('drain', 'sync-default')).stdout).toBe('0 tasks taken out of sync-default: 0 wait, 0 in hand.\n');
    const refused = await admin('drain', 'batch-default');
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain('Cancel the jobs');
  });
});

describe('rerank admin dead-letters', () => {
  it('lists, refuses to retry what is gone, and deletes', async () => {
    expect((await admin('dead-letters', 'list')).stdout).toBe('There is no dead letter.\n');
    const queue = await BullmqJobQueue.open({ url: redis.url });
    await queue.enqueue(WEBHOOKS_QUEUE, { id: 'job_1', payload: { v: TASK_VERSION, tenant: 'acme', job_id: 'job_1' } });
    const died = Promise.withResolvers<undefined>();
    const fault = new RerankError('webhook_refused', 'The webhook was answered with 410.');
    const options = { concurrency: 1, lockMs: 5_000, onDead: () => died.resolve(undefined) };
    const consumer = await queue.consume(WEBHOOKS_QUEUE, () => Promise.reject(fault), options);
    await died.promise;
    await consumer.close(1_000);
    await queue.close();
    const { stdout } = await admin('dead-letters', 'list');
    expect(stdout).toMatch(/^dead letter +tenant +attempts +failed \(UTC\) +why/);
    expect(stdout).toMatch(/webhooks\.job_1 +acme +1 +\d{4}-\d\d-\d\d \d\d:\d\d +webhook_refused: The webhook/);
    expect(await json('dead-letters', 'list', '--queue', INGEST_QUEUE)).toMatchObject({ data: [], total: 0 });
    const gone = await admin('dead-letters', 'retry', 'webhooks.job_1');
    expect(gone.status).not.toBe(0);
    expect(gone.stderr).toContain('was removed');
    expect((await admin('dead-letters', 'delete', 'webhooks.job_1')).stdout).toBe('webhooks.job_1 deleted.\n');
    expect((await admin('dead-letters', 'list')).stdout).toBe('There is no dead letter.\n');
  });
});

describe('rerank admin keys', () => {
  it('makes a key alone on stdout, lists it without it, and revokes it by its id', async () => {
    const made = await admin('keys', 'create', '--tenant', 'acme', '--scopes', 'search,jobs', '--name', 'the shop', '--expires-in', '90d');
    const key = made.stdout.trim();
    expect(key).toMatch(/^rf_[\w-]{43}$/);
    const id = /key_[0-9a-f]{16}/.exec(made.stderr)![0];
    expect(made.stderr).not.toContain(key);
    const who = await runCli(['whoami'], { env: { RERANK_URL: api.url, RERANK_API_KEY: key } });
    expect(who.stdout).toMatch(
      new RegExp(`^tenant +acme\nscopes +search, jobs\nkey +${id}, the shop\nexpires +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC\n$`),
    );
    const search = (by: string): Promise<CliRun> => runCli(['corpora', 'list'], { env: { RERANK_URL: api.url, RERANK_API_KEY: by } });
    expect((await search(key)).status).toBe(0);
    const { stdout } = await admin('keys', 'list');
    expect(stdout).toMatch(new RegExp(`${id} +rf_.{4}….{4} +acme +search, jobs +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d +the shop`));
    expect(stdout).toMatch(/cfg_[0-9a-f]{16} +of API_KEYS +operations +operator/);
    expect(stdout).not.toContain(key);
    expect((await admin('keys', 'delete', key)).stderr).toContain('give its id');
    expect((await admin('keys', 'delete', id)).stdout).toBe(`Key ${id} opens nothing any more.\n`);
    expect((await search(key)).status).not.toBe(0);
  });

  it('needs a tenant and scopes that there are, and a key of an operator', async () => {
    expect((await admin('keys', 'create', '--tenant', 'acme')).status).toBe(2);
    expect((await admin('keys', 'create', '--tenant', 'acme', '--scopes', 'search,root')).stderr).toContain('It must be some of');
    const other = await runCli(['admin', 'keys', 'list'], { env: { RERANK_URL: api.url, RERANK_API_KEY: SEARCHER } });
    expect(other.status).not.toBe(0);
    expect(other.stderr).toContain('"operator"');
  });
});
