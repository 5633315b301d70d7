import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createApp } from '@rerank-fleet/api';
import { openAdapters } from '@rerank-fleet/api/adapters.module';
import { createApiMetrics } from '@rerank-fleet/api/metrics/api-metrics';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { loadConfig } from '@rerank-fleet/core/config';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { childEnvironment } from '../support/environment.js';
import { parsePrometheus, sumOf } from '../support/prometheus-text.js';
import { RedisServer } from '../support/redis-server.js';
import { announce } from './jobs-support.js';

const MAIN = fileURLToPath(new URL('../../apps/api/dist/main.js', import.meta.url));
const LIMIT = { TENANT_SYNC_TOKENS: '1000' };

interface Api {
  readonly url: string;
  readonly refused: (reason: string) => Promise<number>;
  readonly bodies: () => Promise<number>;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

let server: RedisServer;
let redis: Awaited<ReturnType<typeof connectRedis>>;
let directory: string;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  server = await RedisServer.start();
  redis = await connectRedis(server.url, { role: 'consumer', name: 'test' });
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rerank-admission-'));
  await redis.flushall();
  await announce(server);
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await rm(directory, { recursive: true, force: true });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

/** The API on a real Redis, in a fleet whose worker takes nothing: calls wait. */
async function startApi(env: Readonly<Record<string, string>> = LIMIT): Promise<Api> {
  const config = loadConfig({ PORT: '0', REDIS_URL: server.url, RERANK_STATE_DIR: directory, ...env });
  const logger = pino({ level: 'silent' });
  const adapters = await openAdapters(config, logger);
  const metrics = createApiMetrics();
  const app = await createApp({ config, logger, adapters }, metrics);
  await app.listen(0, '127.0.0.1');
  closers.push(async () => {
    await app.close();
    await adapters.close();
  });
  const read = async () => parsePrometheus(await metrics.text());
  return {
    url: await app.getUrl(),
    refused: async (reason) => sumOf(await read(), 'rerank_fleet_admission_refused_total', { reason }),
    bodies: async () => sumOf(await read(), 'rerank_fleet_bodies_in_hand_bytes'),
  };
}

async function post(url: string, body: object, signal?: AbortSignal): Promise<Answer> {
  const sent = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(url, { ...sent, ...(signal === undefined ? {} : { signal }) });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answer['body'] };
}

/** One document of about so many tokens beside a query of one. */
const rerank = (tokens: number, more: object = {}) => ({
  query: 'q',
  documents: ['a'.repeat(4 * (tokens - 1))],
  timeout_ms: 30_000,
  long_document: 'chunk',
  ...more,
});

/** A call that is in hand until the test ends, or it is left. */
async function holdCall(
  url: string,
  tokens: number,
  more: object = {},
): Promise<{ leave(): void; readonly answer: Promise<Answer | undefined> }> {
  const before = await reserved();
  const left = new AbortController();
  const answer = post(`${url}/v1/rerank`, rerank(tokens, more), left.signal).catch(() => undefined);
  closers.push(() => left.abort());
  await expect.poll(reserved).toBe(before + tokens);
  return { leave: () => left.abort(), answer };
}

const saying = (text: string): unknown => expect.stringContaining(text);

const reserved = async (): Promise<number> => Number(await redis.hget('{rf}:admission:tenant:default:meter', 'sum'));

describe('the budget of a tenant', () => {
  it('is one for all processes, and told in each dialect', async () => {
    const [one, other] = [await startApi(), await startApi()];
    await holdCall(one.url, 800);
    const answer = await post(`${other.url}/v1/rerank`, rerank(201));
    expect(answer).toMatchObject({ status: 429, body: { code: 'overloaded', detail: saying('1000 at once') } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(35);
    expect(answer.headers.get('x-ratelimit-limit-tokens')).toBe('1000');
    expect(answer.headers.get('x-ratelimit-remaining-tokens')).toBe('200');
    expect(Number(answer.headers.get('x-ratelimit-reset-tokens'))).toBeGreaterThan(0);
    const documents = ['a'.repeat(1_600)];
    const inDialects = await Promise.all([
      post(`${other.url}/v2/rerank`, { query: 'q', documents, model: 'rerank-v3.5' }),
      post(`${other.url}/rerank`, { query: 'q', texts: documents }),
      post(`${other.url}/v1/voyage/rerank`, { query: 'q', documents, model: 'rerank-2' }),
    ]);
    expect(inDialects.map(({ status }) => status)).toEqual([429, 429, 429]);
    const [cohere, tei, voyage] = inDialects.map(({ body }) => body);
    expect(cohere).toEqual({ id: expect.any(String) as unknown, message: saying('1000 at once') });
    expect(tei).toEqual({ error: saying('1000 at once'), error_type: 'Overloaded' });
    expect(voyage).toEqual({ detail: saying('1000 at once') });
    for (const { headers } of inDialects) expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await other.refused('tenant_tokens')).toBe(4);
  });

  it('is free again when a client has left', async () => {
    const { url } = await startApi();
    const call = await holdCall(url, 900);
    call.leave();
    await expect.poll(reserved).toBe(0);
    await holdCall(url, 1_000);
  });

  it('is free again when a call has failed, and the answer tells what was left', async () => {
    const { url } = await startApi();
    const answer = await post(`${url}/v1/rerank`, rerank(400, { timeout_ms: 100 }));
    expect(answer.status).toBe(504);
    expect(answer.headers.get('x-ratelimit-remaining-tokens')).toBe('600');
    await expect.poll(reserved).toBe(0);
  });

  it('never has room for a call that is larger: 413, and the limit', async () => {
    const { url, refused } = await startApi();
    const answer = await post(`${url}/v1/rerank`, rerank(1_001));
    expect(answer).toMatchObject({
      status: 413,
      body: { code: 'payload_too_large', detail: saying('1000 in calls at once') },
    });
    expect(answer.headers.get('retry-after')).toBeNull();
    expect(await refused('call_tokens')).toBe(1);
  });

  it('counts nothing that the model would cut off', async () => {
    const { url } = await startApi();
    // The model takes 512 tokens.
    const answer = await post(`${url}/v1/rerank`, rerank(5_000, { long_document: 'truncate', timeout_ms: 100 }));
    expect(answer.status).toBe(504);
    expect(answer.headers.get('x-ratelimit-remaining-tokens')).toBe(String(1_000 - 512));
  });

  it('is free again some seconds after the deadlines of a process that was killed', async () => {
    const settings = {
      PORT: '0',
      HOST: '127.0.0.1',
      API_KEYS: '',
      REDIS_URL: server.url,
      QDRANT_URL: '',
      RERANK_STATE_DIR: directory,
      ...LIMIT,
    };
    const child = fork(MAIN, { env: childEnvironment(settings), stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    closers.push(() => child.kill('SIGKILL'));
    const [{ url: killed }] = (await once(child, 'message')) as [{ url: string }];
    await holdCall(killed, 900, { timeout_ms: 1_000 });
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    expect(await reserved()).toBe(900);
    const { url } = await startApi();
    const refused = await post(`${url}/v1/rerank`, rerank(200, { timeout_ms: 100 }));
    expect(refused.status).toBe(429);
    const retryS = Number(refused.headers.get('retry-after'));
    expect(retryS).toBeLessThanOrEqual(6);
    await new Promise((resolve) => setTimeout(resolve, retryS * 1_000));
    await expect.poll(async () => (await post(`${url}/v1/rerank`, rerank(200, { timeout_ms: 100 }))).status, { timeout: 10_000 }).toBe(504);
  });
});

describe('a deadline', () => {
  const stats = { pairs_scored: 1, batches: 1, padding_waste: 0, tokens_per_s: 100 };

  it('that the workers cannot keep is refused at once, and says when it could be kept', async () => {
    await announce(server, { stats });
    const { url, refused } = await startApi({});
    await holdCall(url, 2_000);
    const answer = await post(`${url}/v1/rerank`, rerank(10, { timeout_ms: 15_000 }));
    // 15 s less what reading the call took.
    const detail = expect.stringMatching(/within 1[0-5]\d{3} ms/) as string;
    expect(answer).toMatchObject({ status: 429, body: { code: 'overloaded', detail } });
    // 2,000 tokens at 100 a second take 20 s, and 15 less what reading the call took are left.
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(5);
    expect(Number(answer.headers.get('retry-after'))).toBeLessThan(20);
    expect(await refused('deadline')).toBe(1);
    await holdCall(url, 10, { timeout_ms: 30_000 });
  });

  it('is nobody’s concern while a worker has not measured its speed', async () => {
    await announce(server, { stats });
    await announce(server, { worker_id: 'worker-2' });
    const { url } = await startApi({});
    await holdCall(url, 2_000);
    expect((await post(`${url}/v1/rerank`, rerank(10, { timeout_ms: 200 }))).status).toBe(504);
  });
});

describe('bodies in memory', () => {
  it('are bounded: one that has no room is refused, and taken when others are gone', async () => {
    const { url, refused, bodies } = await startApi({ MAX_BODIES_IN_HAND_BYTES: '4096' });
    const call = await holdCall(url, 800);
    const answer = await post(`${url}/v1/rerank`, rerank(300));
    expect(answer).toMatchObject({ status: 429, body: { code: 'overloaded' } });
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await refused('bodies_in_hand')).toBe(1);
    call.leave();
    await expect.poll(bodies).toBe(0);
    await holdCall(url, 300);
    expect(await bodies()).toBeGreaterThan(1_100);
  });

  it('count until they are answered, also by an error, and one alone is taken whatever its size', async () => {
    const { url, bodies } = await startApi({ MAX_BODIES_IN_HAND_BYTES: '1024' });
    expect((await post(`${url}/v1/rerank`, rerank(2_000, { timeout_ms: 100 }))).status).toBe(504);
    expect((await post(`${url}/v1/rerank`, { documents: ['a'.repeat(5_000)] })).status).toBe(400);
    await expect.poll(bodies).toBe(0);
  });
});

describe('while Redis is away', () => {
  it('calls fail at once', async () => {
    const { url } = await startApi();
    await post(`${url}/v1/rerank`, rerank(10, { timeout_ms: 100 }));
    await server.kill();
    try {
      const answer = await post(`${url}/v1/rerank`, rerank(10));
      expect(answer).toMatchObject({ status: 503, body: { code: 'queue_unavailable' } });
    } finally {
      await server.resume();
    }
  });
});
