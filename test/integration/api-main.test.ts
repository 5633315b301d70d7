import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { EXIT_CONFIG } from '@rerank-fleet/core/config';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { childEnvironment } from '../support/environment.js';
import { RedisServer } from '../support/redis-server.js';

const MAIN = fileURLToPath(new URL('../../apps/api/dist/main.js', import.meta.url));

let redis: RedisServer;
let directory: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  redis = await RedisServer.start();
  directory = await mkdtemp(join(tmpdir(), 'rerank-api-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(async () => {
  await redis.stop();
  await rm(directory, { recursive: true, force: true });
});

function startMain(env: Readonly<Record<string, string>> = {}) {
  const overrides = {
    PORT: '0',
    HOST: '127.0.0.1',
    API_KEYS: '',
    REDIS_URL: redis.url,
    QDRANT_URL: '',
    RERANK_STATE_DIR: directory,
    LOG_LEVEL: 'info',
    ...env,
  };
  const child = fork(MAIN, { env: childEnvironment(overrides), stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  children.push(child);
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const ready = once(child, 'message').then(([message]) => message as { type: string; url: string });
  return { child, exited, ready, errors: text(child.stderr!), output: text(child.stdout!) };
}

const rerank = (url: string) =>
  fetch(new URL('/v1/rerank', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"query":"q","documents":["a"]}',
  });

describe('the API process', () => {
  it('says where it listens, serves on a real Redis and an empty store, and ends when told', async () => {
    const api = startMain();
    const { type, url } = await api.ready;
    expect(type).toBe('ready');
    const ready = await fetch(new URL('/health/ready', url));
    expect(await ready.json()).toEqual({ status: 'ok', checks: { queue: { status: 'ok' }, document_store: { status: 'ok' } } });
    expect(await (await fetch(new URL('/v1/models', url))).json()).toEqual({ object: 'list', data: [] });
    expect(await (await fetch(new URL('/v1/corpora', url))).json()).toEqual({ object: 'list', data: [] });
    api.child.kill('SIGTERM');
    expect(await api.exited).toBe(0);
  });

  it('finishes a request in flight after SIGTERM', async () => {
    const api = startMain({ SYNC_TIMEOUT_MS: '1500' });
    const { url } = await api.ready;
    const inFlight = rerank(url);
    await sleep(300);
    api.child.kill('SIGTERM');
    const response = await inFlight;
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'model_unavailable' });
    expect(await api.exited).toBe(0);
  });

  it('ends when its supervisor goes away', async () => {
    const api = startMain();
    await api.ready;
    api.child.disconnect();
    expect(await api.exited).toBe(0);
  });

  it('ends when its supervisor goes away while it still waits for Redis', async () => {
    const api = startMain({ REDIS_URL: 'redis://127.0.0.1:1' });
    await once(api.child.stdout!, 'data');
    api.child.disconnect();
    expect(await api.exited).toBe(0);
    expect(await api.output).toContain('Redis cannot be reached');
  });

  it('answers 503 while Redis is away, and goes on when it is back', async () => {
    const own = await RedisServer.start();
    try {
      const { url } = await startMain({ REDIS_URL: own.url }).ready;
      await own.kill();
      const away = await rerank(url);
      expect(away.status).toBe(503);
      expect(await away.json()).toMatchObject({ code: 'queue_unavailable' });
      expect((await fetch(new URL('/health/ready', url))).status).toBe(503);
      await own.resume();
      for (let look = 0; (await fetch(new URL('/health/ready', url))).status !== 200 && look < 200; look += 1) await sleep(50);
      expect((await fetch(new URL('/v1/models', url))).status).toBe(200);
    } finally {
      await own.stop();
    }
  });

  it('refuses a configuration that cannot work, naming the variable and the rule', async () => {
    const api = startMain({ HOST: '0.0.0.0', PORT: 'http' });
    expect(await api.exited).toBe(EXIT_CONFIG);
    expect(await api.errors).toContain('PORT: must be a whole number');
  });

  it('refuses a port in use, and says what to do', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    const api = startMain({ PORT: String(port) });
    expect(await api.exited).toBe(EXIT_CONFIG);
    expect(await api.errors).toBe(`Port ${port} on 127.0.0.1 is in use. Stop what listens there, or set PORT (0 picks a free one).\n`);
    holder.close();
  });

  it('refuses a Redis that would lose tasks', async () => {
    const unfit = await RedisServer.start({ settings: ['--maxmemory-policy', 'allkeys-lru'] });
    try {
      const api = startMain({ REDIS_URL: unfit.url });
      expect(await api.exited).toBe(EXIT_CONFIG);
      expect(await api.errors).toContain('noeviction');
    } finally {
      await unfit.stop();
    }
  });
});
