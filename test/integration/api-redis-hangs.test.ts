import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp } from '@rerank-fleet/api';
import { openAdapters, type OpenAdapters } from '@rerank-fleet/api/adapters.module';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { loadConfig } from '@rerank-fleet/core/config';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { announce } from './jobs-support.js';

const TIMEOUT_MS = 600;
/** Of a call that names no deadline. */
const LONGEST_MS = 10_000;
/** A connection gives a command up after so long: who waits for one is later than its deadline. */
const COMMAND_MS = 5_000;

let server: RedisServer;
let redis: Awaited<ReturnType<typeof connectRedis>>;
let directory: string;
let url: string;
let adapters: OpenAdapters;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  server = await RedisServer.start();
  redis = await connectRedis(server.url, { role: 'consumer', name: 'test' });
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rerank-hangs-'));
  await redis.flushall();
  await announce(server);
  const config = loadConfig({ PORT: '0', REDIS_URL: server.url, RERANK_STATE_DIR: directory, SYNC_TIMEOUT_MS: String(LONGEST_MS) });
  const logger = pino({ level: 'silent' });
  adapters = await openAdapters(config, logger);
  const app = await createApp({ config, logger, adapters });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
  closers.push(async () => {
    await app.close();
    await adapters.close();
    await rm(directory, { recursive: true, force: true });
  });
});
afterEach(async () => {
  server.thaw();
  for (const close of closers.splice(0).toReversed()) await close();
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

interface Answer {
  readonly status: number;
  readonly code: unknown;
  readonly tookMs: number;
}

async function call(path: string, body: object, method = 'POST'): Promise<Answer> {
  const startedAt = performance.now();
  const answer = await fetch(`${url}${path}`, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const { code } = (await answer.json()) as { code?: unknown };
  return { status: answer.status, code, tookMs: performance.now() - startedAt };
}

const rerank = (): Promise<Answer> => call('/v1/rerank', { query: 'q', documents: ['a', 'b'], timeout_ms: TIMEOUT_MS });
/** Its body lies beside the task. */
const largeRerank = (): Promise<Answer> =>
  call('/v1/rerank', { query: 'q', documents: Array.from({ length: 100 }, () => 'words '.repeat(200)), timeout_ms: TIMEOUT_MS });

const reserved = async (): Promise<number> => Number(await redis.hget('{rf}:admission:tenant:default:meter', 'sum'));
const tasks = async (): Promise<number> => (await redis.llen('{rf}:sync-default:wait')) + (await redis.llen('{rf}:sync-default:active'));

async function expectNothingLeft(): Promise<void> {
  await expect.poll(reserved, { timeout: 20_000 }).toBe(0);
  await expect.poll(tasks, { timeout: 20_000 }).toBe(0);
}

describe('a call while Redis hangs', () => {
  it.each([
    ['that begins', rerank],
    ['that begins with a large body', largeRerank],
  ])('%s is answered by its deadline, and leaves nothing when Redis is back', async (_, send) => {
    // The fleet is known, so that the call gets as far as it can.
    await rerank();
    server.freeze();
    const { status, code, tookMs } = await send();
    expect({ status, code }).toEqual({ status: 503, code: 'queue_unavailable' });
    expect(tookMs).toBeLessThan(COMMAND_MS);
    server.thaw();
    await expectNothingLeft();
  });

  it('that waits for its result is answered by its deadline, and its task is withdrawn when Redis is back', async () => {
    const answer = rerank();
    await expect.poll(tasks).toBe(1);
    server.freeze();
    const { status, code, tookMs } = await answer;
    expect({ status, code }).toEqual({ status: 503, code: 'queue_unavailable' });
    expect(tookMs).toBeLessThan(COMMAND_MS);
    server.thaw();
    await expectNothingLeft();
  });

  it('that outlasts the patience of the connection holds no tokens when Redis is back', async () => {
    await rerank();
    server.freeze();
    const { status, code } = await call('/v1/rerank', { query: 'q', documents: ['a'] });
    expect({ status, code }).toEqual({ status: 503, code: 'queue_unavailable' });
    server.thaw();
    await expectNothingLeft();
  });

  it('whose task was said not to be queued has none queued when Redis is back', async () => {
    await rerank();
    server.freeze();
    const body = { kind: 'corpus', corpus: 'manuals', change: { op: 'delete' } } as const;
    const signal = new AbortController().signal;
    const call = { queue: 'sync', tenant: 'default', requestId: 'r', pool: 'default', timeoutMs: 60_000, body, signal } as const;
    await expect(adapters.dispatcher.call(call)).rejects.toMatchObject({ code: 'queue_unavailable' });
    server.thaw();
    // Redis did queue it.
    await expect.poll(async () => Number(await redis.get('{rf}:sync-default:id')), { timeout: 20_000 }).toBe(2);
    await expectNothingLeft();
  });
});

describe('an API whose tasks cannot be queued, though the rest of Redis is there', () => {
  it('is not ready until they can', async () => {
    const status = async (): Promise<number> => (await fetch(`${url}/health/ready`)).status;
    const cutQueue = async (): Promise<void> => {
      const clients = String(await redis.client('LIST')).split('\n');
      const id = clients.find((line) => line.includes('name=rerank-fleet-queue '))?.match(/id=(\d+)/)?.[1];
      if (id !== undefined) await redis.client('KILL', 'ID', id);
    };
    expect(await status()).toBe(200);
    await expect.poll(() => cutQueue().then(status), { timeout: 20_000 }).toBe(503);
    await expect.poll(status, { timeout: 20_000 }).toBe(200);
  });
});
