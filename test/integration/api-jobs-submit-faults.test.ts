import { gzipSync } from 'node:zlib';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { BatchJobs, type BatchRecord } from '@rerank-fleet/core/jobs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeSmallDisk } from '../e2e/small-disk.js';
import { childEnvironment } from '../support/environment.js';
import { RedisServer } from '../support/redis-server.js';
import { announce, answerOf, JobsApi, ndjson, openUpload, rerank, search, textWith } from './jobs-support.js';

const MAIN = fileURLToPath(new URL('../../apps/api/dist/main.js', import.meta.url));

let redis: RedisServer;
let directory: string;
let api: JobsApi | undefined;
const children: ChildProcess[] = [];

beforeAll(async () => {
  redis = await RedisServer.start();
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rerank-jobs-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await api?.close();
  api = undefined;
  await rm(directory, { recursive: true, force: true });
});
afterAll(() => redis.stop());

/** More than the writers hold in memory, so that some of it is on its way to the disk. */
const SOME = 20_000;
const many = (count: number): object[] => Array.from({ length: count }, (_, n) => search(`row-${n}`));

const start = async (env: Readonly<Record<string, string>> = {}): Promise<JobsApi> =>
  (api = await JobsApi.start({ redis, directory, env }));

/** Blobs that are being written. */
async function underWay(): Promise<number> {
  return (await readdir(join(directory, 'blobs', '.staging')).catch(() => [])).length;
}

/** A process of the API, as in production. */
async function startProcess(): Promise<{ readonly url: string; kill(): Promise<void> }> {
  const settings = { PORT: '0', HOST: '127.0.0.1', API_KEYS: '', REDIS_URL: redis.url, QDRANT_URL: '', RERANK_STATE_DIR: directory };
  const child = fork(MAIN, { env: childEnvironment(settings), stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  children.push(child);
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  const kill = async (): Promise<void> => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  return { url, kill };
}

describe('an upload that is cut off', () => {
  it('in its gzip is refused, and leaves nothing', async () => {
    const at = await start();
    const whole = gzipSync(ndjson(...many(SOME)));
    const answer = await at.sendLines(whole.subarray(0, whole.length - 100), { 'content-encoding': 'gzip' });
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request', detail: textWith('cut short') } });
    expect(await at.kept()).toEqual([]);
  });

  it('in a line has one bad request', async () => {
    const at = await start();
    const answer = await at.sendLines(ndjson(search('a'), search('b'), JSON.stringify(search('c')).slice(0, -5)));
    expect(answer).toMatchObject({ status: 202, body: { request_counts: { total: 3, errored: 1 } } });
    const rejections = await at.rejections(await at.record(answer));
    expect(rejections).toMatchObject([{ row: 3, error: { message: textWith('ends too early') } }]);
  });

  it('by a client that goes away leaves nothing', async () => {
    const at = await start();
    const sent = openUpload(at.url);
    sent.write(ndjson(...many(SOME)));
    await expect.poll(underWay, { timeout: 15_000 }).toBeGreaterThan(0);
    sent.destroy();
    await expect.poll(underWay, { timeout: 15_000 }).toBe(0);
    expect(await at.kept()).toEqual([]);
  });

  it('by a bound on its bytes is refused, and leaves nothing', async () => {
    const at = await start({ MAX_INGEST_BYTES: '1000000' });
    const answer = await at.sendLines(gzipSync(ndjson(...many(SOME))), { 'content-encoding': 'gzip' });
    expect(answer).toMatchObject({ status: 413, body: { code: 'payload_too_large', detail: textWith('several jobs') } });
    expect(await at.kept()).toEqual([]);
  });

  it('by a full disk is refused, and leaves nothing; what has room afterwards is accepted', async (context) => {
    const disk = await makeSmallDisk(24 * 1024 * 1024);
    context.skip(disk === undefined, 'this user may neither mount a tmpfs nor is there a small /dev/shm');
    const full = await JobsApi.start({ redis, directory: disk!.directory });
    try {
      await disk!.fill(256 * 1024);
      expect(await full.sendLines(ndjson(...many(SOME)))).toMatchObject({ status: 507, body: { code: 'storage_full' } });
      expect(await full.kept()).toEqual([]);
      await disk!.clear();
      expect(await full.sendLines(ndjson(...many(SOME)))).toMatchObject({ status: 202, body: { request_counts: { total: SOME } } });
    } finally {
      await full.close();
      await disk!.remove();
    }
  });
});

describe('while Redis is away', () => {
  it('a submission is refused at its first request, and leaves nothing', async () => {
    const at = await start();
    await redis.kill();
    try {
      expect(await at.sendLines(ndjson(...many(10)))).toMatchObject({ status: 503, body: { code: 'queue_unavailable' } });
      expect(await at.kept()).toEqual([]);
    } finally {
      await redis.resume();
    }
  });

  it('one that had begun is accepted, and queued by the same process when Redis is back', async () => {
    const at = await start();
    const sent = openUpload(at.url);
    sent.write(`${ndjson(...many(SOME))}\n`);
    await expect.poll(underWay, { timeout: 15_000 }).toBeGreaterThan(0);
    await redis.kill();
    const { status, body } = await answerOf(sent.end(JSON.stringify(search('last')))).finally(() => redis.resume());
    expect({ status, state: body.status, total: body.request_counts.total }).toEqual({ status: 202, state: 'queued', total: SOME + 1 });
    const look = () => at.adapters.batchLedger.state(body.id).catch(() => undefined);
    // Well before the keeper's look at everything, which is once a minute.
    await expect.poll(async () => (await look())?.job.total, { timeout: 25_000 }).toBe(SOME + 1);
  });
});

describe('an API that is killed', () => {
  it('during an upload leaves nothing that can be seen', async () => {
    await announce(redis);
    const first = await startProcess();
    const sent = openUpload(first.url);
    sent.write(ndjson(...Array.from({ length: SOME }, (_, n) => rerank(`row-${n}`))));
    await expect.poll(underWay, { timeout: 15_000 }).toBeGreaterThan(0);
    await first.kill();
    expect(await (await start()).kept()).toEqual([]);
  });

  it('after it wrote the job and before it queued it: the next one queues it', async () => {
    const jobs = new BatchJobs(new FileBlobStore(join(directory, 'blobs')));
    const record = await writtenByTheDead(jobs);
    const at = await start();
    await expect.poll(async () => (await at.adapters.batchLedger.state(record.id))?.job.total, { timeout: 15_000 }).toBe(1);
  });
});

/** What a process had done that died before it told the ledger. */
async function writtenByTheDead(jobs: BatchJobs): Promise<BatchRecord> {
  const upload = jobs.begin('default');
  await upload.add({ row: 1, json: JSON.stringify(rerank('a')), pairs: 2, tokens: 20 });
  const now = Date.now();
  const terms = { dialect: 'native', pool: 'default', priority: 50, created_ms: now, expires_ms: now + 3_600_000 } as const;
  const record = { v: 1, id: upload.id, tenant: 'default', ...terms, ...(await upload.finish()) } as const;
  expect(await jobs.create(record)).toBe(true);
  return record;
}
