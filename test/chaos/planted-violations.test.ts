import { findFreePort } from '@rerank-fleet/cli/up/redis-probe';
import { RerankClient } from '@rerank-fleet/client';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BatchRun } from './batch-load.ts';
import { ChaosStack, type ObserverRedis } from './chaos-stack.ts';
import { checkDatabase, collectDocuments, collectFiles, collectJob, collectKeys, collectStrangers } from './collect.ts';
import { DocumentLoad } from './document-load.ts';
import { faultsOfJob } from './find-violations.ts';
import { askOracle, type Ask, type Oracle } from './oracle.ts';
import { Random } from './random.ts';
import { faultsOfKeys } from './redis-keys.ts';
import { TcpLink } from './tcp-link.ts';
import { watchRecovery } from './watch-recovery.ts';

const STARTS_WITHIN_MS = 120_000;

let stack: ChaosStack;
let redis: ObserverRedis;
let oracle: Oracle;
let client: RerankClient;

beforeAll(async () => {
  stack = await ChaosStack.start();
  redis = await stack.observer();
  oracle = await askOracle(stack.url);
  client = new RerankClient({ baseUrl: stack.url });
}, STARTS_WITHIN_MS);
afterAll(async () => {
  redis.disconnect();
  expect(await stack.stop()).toEqual([]);
}, STARTS_WITHIN_MS);

describe('a look at a real stack', () => {
  it('finds nothing where nothing is planted', async () => {
    expect(faultsOfKeys(await collectKeys(redis))).toEqual([]);
    expect(await collectStrangers(stack)).toEqual([]);
    expect(checkDatabase(stack)).toBe('ok');
  });

  it('finds a key that stays', async () => {
    await redis.set('{rf}:body:00000000-0000-0000-0000-000000000000', 'left');
    const faults = faultsOfKeys(await collectKeys(redis));
    expect(faults).toEqual([expect.stringMatching(/^\{rf\}:body:.*lives for ever/)]);
    await redis.del('{rf}:body:00000000-0000-0000-0000-000000000000');
  });

  it('finds a process that nobody runs', async () => {
    const left = spawn('sleep', ['60'], { env: { LEFT_BY: stack.root } });
    try {
      expect(await collectStrangers(stack, 300)).toEqual([expect.stringContaining(`${left.pid}: sleep 60`)]);
    } finally {
      left.kill('SIGKILL');
    }
  });

  it('finds a task that stays in hand', async () => {
    await redis.lpush('{rf}:sync-default:active', 'left');
    try {
      const work = { batchesDone: () => true, reindexDone: () => Promise.resolve(true), withinMs: 500 };
      const { notRecovered } = await watchRecovery(stack, redis, work);
      expect(notRecovered).toEqual([expect.stringMatching(/tasks are left in queues.*sync-default:active:left/)]);
    } finally {
      await redis.del('{rf}:sync-default:active');
    }
  });

  it('ends though Redis never answers, and says so', async () => {
    const kept = stack.redisPortFile();
    const link = await TcpLink.start(() => Number(readFileSync(kept, 'utf8')));
    const url = new URL(`redis://127.0.0.1:${link.port}`);
    url.password = (await readFile(join(dirname(kept), 'password'), 'utf8')).trim();
    const unanswered = await connectRedis(url.href, { role: 'consumer', name: 'unanswered', onFault: () => undefined });
    try {
      link.enter({ kind: 'blackhole' });
      const work = { batchesDone: () => true, reindexDone: () => Promise.resolve(true), withinMs: 500, lookWithinMs: 400 };
      const { notRecovered } = await watchRecovery(stack, unanswered, work);
      expect(notRecovered).toEqual([
        'tasks are left in queues after 500 ms: Error: the look at queues did not end in 400 ms',
        'Error: the look at dead letters did not end in 400 ms',
      ]);
    } finally {
      unanswered.disconnect();
      await link.stop();
    }
  });

  it('goes on when Redis is started anew on another port', async () => {
    const port = String(await findFreePort());
    await writeFile(stack.redisPortFile(), port);
    const before = stack.supervisorPid;
    await stack.killSupervisor();
    // Its successor is up when the kill resolves.
    expect(stack.supervisorPid).not.toBe(before);
    expect([...(await stack.pids()).keys()].sort()).toEqual(['api', 'redis', 'worker-1', 'worker-2']);
    const work = { batchesDone: () => true, reindexDone: () => Promise.resolve(true), withinMs: 60_000 };
    expect(await watchRecovery(stack, redis, work)).toMatchObject({ notRecovered: [] });
    expect(await redis.config('GET', 'port')).toEqual(['port', port]);
  });

  it('finds a deletion that was begun and is left alone', async () => {
    const database = new DatabaseSync(join(stack.stateDirectory, 'store', 'embedded.sqlite'), { timeout: 5_000 });
    // Of a time that has not come: no worker takes it for left alone.
    const pending = {
      tenant: 'default',
      corpus: 'gone',
      corpusId: 'gone',
      id: 'left',
      seq: 1,
      documentIds: ['d'],
      begunAt: Date.now() + 3_600_000,
    };
    try {
      database.prepare('INSERT INTO pending_deletes (id, pending) VALUES (?, ?)').run('left', JSON.stringify(pending));
      const work = { batchesDone: () => true, reindexDone: () => Promise.resolve(true), withinMs: 500 };
      const { notRecovered } = await watchRecovery(stack, redis, work);
      expect(notRecovered).toEqual([expect.stringContaining('a deletion is not carried through')]);
    } finally {
      database.exec(`DELETE FROM pending_deletes WHERE id = 'left'`);
      database.close();
    }
  });

  it('finds a document that a store has lost', async () => {
    const load = new DocumentLoad(() => stack.url, new Random(1), { corpus: 'planted', mostDocuments: 8, mostWrites: 0 });
    await load.prepare();
    expect(await collectDocuments(client, load)).toMatchObject({ stored: { size: 16 } });
    const database = new DatabaseSync(join(stack.stateDirectory, 'store', 'embedded.sqlite'), { timeout: 5_000 });
    database.exec(`DELETE FROM documents WHERE document_id = 'd3'`);
    database.close();
    const { stored, found } = await collectDocuments(client, load);
    expect(stored.has('d3')).toBe(false);
    expect(found.sparse).toContain('d3');
    await client.deleteCorpus('planted');
  });
});

describe('a look at a job', () => {
  const ASKS: readonly Ask[] = Array.from({ length: 6 }, (_, row) => ({ kind: 'rerank', query: row % 3, texts: [row, row + 1, 40 - row] }));
  let run: BatchRun;
  let results: string;
  let whole: string;

  beforeAll(async () => {
    run = new BatchRun(() => stack.url, { key: 'planted', atMs: 0, rows: ASKS.map((ask, row) => ({ customId: `r${row}`, ask })) });
    await run.done;
    const folder = join(stack.stateDirectory, 'blobs', 'jobs', 'default', run.id!, 'results');
    results = join(folder, (await readdir(folder))[0]!);
    whole = await readFile(results, 'utf8');
  }, STARTS_WITHIN_MS);

  const look = async (): Promise<string[]> => faultsOfJob(await collectJob(client, run), [], oracle).map(({ rule }) => rule);
  const lines = (): string[] => whole.split('\n').filter((line) => line !== '');

  it('finds nothing where nothing is planted', async () => {
    expect(await look()).toEqual([]);
  });

  it.each([
    ['a lost row', () => lines().filter((line) => !line.includes('"r2"'))],
    ['a doubled row', () => [...lines(), lines().at(-1)!]],
  ])('finds %s', async (_, planted) => {
    await writeFile(
      results,
      planted()
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(await look()).toContain('a row has exactly one result');
  });

  it('finds a logit that differs in its last digit', async () => {
    const changed = whole.replace(
      /("relevance_score":-?\d+\.\d*?)(\d)([,}])/,
      (_, head: string, digit: string, tail: string) => `${head}${(Number(digit) + 1) % 10}${tail}`,
    );
    expect(changed).not.toBe(whole);
    await writeFile(results, changed);
    expect(await look()).toContain('outputs equal those without faults');
  });

  it('finds files that are left when all jobs have gone', async () => {
    await writeFile(results, whole);
    await client.deleteJob(run.id!);
    for await (const job of client.listJobs()) await client.deleteJob(job.id);
    expect(await collectFiles(stack)).toEqual([]);
    const left = join(stack.stateDirectory, 'blobs', 'jobs', 'default', 'left', 'x.json');
    await mkdir(dirname(left), { recursive: true });
    await writeFile(left, '{}');
    expect(await collectFiles(stack)).toEqual(['blobs/jobs/default/left/x.json']);
  });
});
