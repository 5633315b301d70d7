import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OPERATOR, OperatedApi, SEARCHER } from './operator-support.js';
import { WorkerStack } from './worker-support.js';

const BOARD = '/admin/queues';

let stack: WorkerStack;
let api: OperatedApi;

beforeEach(async () => {
  stack = await WorkerStack.start();
});
afterEach(async () => {
  await api.close();
  await stack.stop();
});

async function start(env: Readonly<Record<string, string>> = {}): Promise<void> {
  api = await OperatedApi.start({ redisUrl: stack.redis.url, stateDirectory: stack.stateDirectory, env });
}

const basic = (key: string): string => `Basic ${Buffer.from(`whoever:${key}`).toString('base64')}`;
const visit = (path: string, headers: Readonly<Record<string, string>> = { authorization: basic(OPERATOR) }, method = 'GET') =>
  fetch(`${api.url}${BOARD}${path}`, { method, headers });
const queues = async (): Promise<readonly { readonly name: string; readonly isPaused: boolean; readonly readOnlyMode: boolean }[]> =>
  ((await (await visit('/api/queues')).json()) as { queues: [] }).queues;
/** The address as it is written, which `fetch` would mend. */
const putRaw = async (path: string): Promise<number | undefined> => {
  const { hostname, port } = new URL(api.url);
  const sent = request({ hostname, port, method: 'PUT', path: `${BOARD}${path}`, headers: { authorization: basic(OPERATOR) } }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
};
const put = (path: string, headers: Readonly<Record<string, string>> = {}) =>
  visit(path, { authorization: basic(OPERATOR), ...headers }, 'PUT');

describe('Bull Board', () => {
  it('asks a browser for a name and a password, and takes the key of an operator for the password', async () => {
    await start();
    const asked = await visit('', {});
    expect(asked.status).toBe(401);
    expect(asked.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    expect((await visit('', { authorization: basic('wrong') })).status).toBe(401);
    expect((await visit('', { authorization: basic(SEARCHER) })).status).toBe(403);
    expect((await visit('/api/queues', {})).status).toBe(401);
    expect((await visit('/static/js/anything.js', {})).status).toBe(401);
    expect((await visit('')).status).toBe(200);
    expect((await visit('', { authorization: `Bearer ${OPERATOR}` })).status).toBe(200);
  });

  it('serves the page with all that it needs, from here alone', async () => {
    await start();
    const page = await visit('');
    const html = await page.text();
    expect(html.match(/(?:src|href)="(?:https?:)?\/\//g)).toBeNull();
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(page.headers.get('x-frame-options')).toBe('DENY');
    const assets = [...html.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map((match) => match[1]!);
    expect(assets.length).toBeGreaterThan(3);
    const missing = (await Promise.all(assets.map(async (asset) => [asset, (await visit(`/${asset}`)).status]))).filter(
      ([, status]) => status !== 200,
    );
    expect(missing).toEqual([]);
    expect((await visit('/queue/sync-default')).status).toBe(200);
  });

  it('shows every queue of the fleet, also of a pool that is new, and no text of a tenant', async () => {
    await start();
    expect((await queues()).map(({ name }) => name).sort()).toEqual(
      ['batch-default', 'express-default', 'ingest', 'sync-default', 'webhooks'].sort(),
    );
    const client = new AbortController();
    const call = stack.call(await stack.rerankBody(['a secret of the tenant']), { timeoutMs: 60_000, signal: client.signal });
    await expect
      .poll(async () => JSON.stringify(await (await visit('/api/queues?activeQueue=sync-default&status=waiting')).json()), {
        timeout: 10_000,
      })
      .toMatch(/"kind":"rerank".*"documents":1/);
    expect(await (await visit('/api/queues?activeQueue=sync-default&status=waiting')).text()).not.toContain('a secret');
    client.abort();
    await call.catch(() => undefined);
    await stack.startWorker({ WORKER_POOL: 'gpu' });
    await expect.poll(async () => (await queues()).map(({ name }) => name), { timeout: 10_000 }).toContain('sync-gpu');
  });

  it('changes nothing unless it was asked to', async () => {
    await start();
    expect((await queues()).every(({ readOnlyMode }) => readOnlyMode)).toBe(true);
    expect((await put('/api/queues/sync-default/pause')).status).toBe(403);
    expect((await queues()).some(({ isPaused }) => isPaused)).toBe(false);
  });

  it('pauses and resumes with QUEUE_BOARD=read-write, from its own page only, and never empties a queue or adds a task', async () => {
    await start({ QUEUE_BOARD: 'read-write' });
    const isPaused = async () => (await queues()).find(({ name }) => name === 'sync-default')?.isPaused;
    for (const foreign of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://evil.com' }])
      expect((await put('/api/queues/sync-default/pause', foreign)).status).toBe(403);
    expect(await isPaused()).toBe(false);
    expect((await put('/api/queues/sync-default/pause', { 'sec-fetch-site': 'same-origin' })).status).toBe(200);
    expect(await isPaused()).toBe(true);
    expect(JSON.stringify((await api.get('/v1/admin/queues')).body)).toMatch(
      /"name":"sync-default","kind":"sync","pool":"default","paused":true/,
    );
    expect((await put('/api/queues/sync-default/resume', { origin: api.url })).status).toBe(200);
    expect(await isPaused()).toBe(false);
    for (const path of ['empty', 'obliterate', 'concurrency', 'clean/wait'])
      expect((await put(`/api/queues/batch-default/${path}`)).status).toBe(403);
    expect((await visit('/api/queues/batch-default/add', { authorization: basic(OPERATOR) }, 'POST')).status).toBe(403);
    // Clients that are no browsers send what they like: routers cut an address at a `#`.
    for (const path of ['empty#/retry', 'em%70ty', 'clean/wait#/retry', 'clean/%77ait', 'empty?/retry'])
      expect(await putRaw(`/api/queues/batch-default/${path}`)).toBe(403);
    expect(await putRaw('/api/queues/batch-default/clean/failed')).toBe(200);
  });

  it('is not there with QUEUE_BOARD=off', async () => {
    await start({ QUEUE_BOARD: 'off' });
    expect((await visit('')).status).toBe(404);
    expect((await visit('/api/queues')).status).toBe(404);
  });

  it('is open where all is, and not to pages of other hosts', async () => {
    await start({ API_KEYS: '', QUEUE_BOARD: 'read-write' });
    expect((await visit('', {})).status).toBe(200);
    expect((await visit('/api/queues', { origin: 'https://evil.com' })).status).toBe(403);
  });
});
