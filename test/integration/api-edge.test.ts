import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { problemSchema } from '@rerank-fleet/core/contracts';
import { ERROR_CATALOGUE, RerankError } from '@rerank-fleet/core/errors';
import { OPERATIONS } from '@rerank-fleet/api/openapi/operations';
import { routesOf } from '@rerank-fleet/api/http/route-table';
import { afterEach, describe, expect, it } from 'vitest';
import { corpusRecord } from '../support/fleet-fixtures.js';
import { startTestApi, type TestApi } from './api-support.js';

let api: TestApi;
const start = async (env?: Record<string, string>) => (api = await startTestApi(env));
afterEach(() => api.close());

const JSON_TYPE = { 'content-type': 'application/json' };
const rerank = (payload: string | Buffer | object, headers: Record<string, string> = JSON_TYPE) =>
  api.inject({ method: 'POST', url: '/v1/rerank', payload, headers });

describe('bad input', () => {
  it.each([
    ['an empty query', { query: '', documents: ['a'] }, '/query'],
    ['a blank query', { query: ' \n', documents: ['a'] }, '/query'],
    ['no documents', { query: 'q', documents: [] }, '/documents'],
    ['an empty document', { query: 'q', documents: ['a', ''] }, '/documents/1'],
    ['a query of another type', { query: 5, documents: ['a'] }, '/query'],
    ['documents of another type', { query: 'q', documents: 'a' }, '/documents'],
    ['a fraction of a result', { query: 'q', documents: ['a'], top_n: 1.5 }, '/top_n'],
    ['no result', { query: 'q', documents: ['a'], top_n: 0 }, '/top_n'],
    ['text for a flag', { query: 'q', documents: ['a'], explain: 'yes' }, '/explain'],
    ['NUL in the query', { query: 'a\u0000b', documents: ['a'] }, '/query'],
    ['half a surrogate pair in a document', { query: 'q', documents: ['a', { text: '\udc00' }] }, '/documents/1/text'],
    ['a query that is far too long', { query: 'q'.repeat(32_769), documents: ['a'] }, '/query'],
  ])('answers 400 for %s, and points at it', async (_, payload, pointer) => {
    await start();
    const response = await rerank(payload);
    expect(response.statusCode).toBe(400);
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    const problem = problemSchema.parse(response.json());
    expect(problem).toMatchObject({ code: 'invalid_request', instance: response.headers['x-request-id'] });
    expect(problem.errors?.[0]?.pointer).toBe(pointer);
  });

  it.each([
    ['{"query": "q", "documents": [}', 'line 1, column 30'],
    ['{\n "query": "q"\n "documents"', 'line 3, column 2'],
    ['{"query": "q"', 'it ends too early'],
    ['', 'is required'],
    [Buffer.from([0x7b, 0xff, 0x7d]), 'UTF-8'],
    [`{"query":"q","documents":[${'['.repeat(100_000)}`, 'not valid JSON'],
    [`{"query":"q","documents":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, '64 levels'],
  ])('answers 400 for a body that is no JSON, and says where: %#', async (payload, detail) => {
    await start();
    const response = await rerank(payload);
    expect(response.statusCode).toBe(400);
    expect(response.json().detail).toContain(detail);
  });

  it('never quotes a malformed body', async () => {
    await start();
    expect((await rerank('{"query": hunter2')).body).not.toContain('hunter2');
  });

  it('takes 10 MB of JSON, and refuses what is over the limit', async () => {
    await start({ MAX_BODY_BYTES: '11000000' });
    expect((await rerank({ query: 'q', documents: ['x'.repeat(10_000_000)] })).statusCode).toBe(200);
    const large = await rerank({ query: 'q', documents: ['x'.repeat(11_000_000)] });
    expect(large.statusCode).toBe(413);
    expect(large.json()).toMatchObject({ code: 'payload_too_large' });
  });

  it('answers 413 over a real connection, to a client that sends all first', async () => {
    await start({ MAX_BODY_BYTES: '10000' });
    const response = await fetch(new URL('/v1/rerank', await api.listen()), {
      method: 'POST',
      headers: JSON_TYPE,
      body: 'x'.repeat(10_000_000),
    });
    expect(response.status).toBe(413);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''])(
    'answers 415 for %j',
    async (type) => {
      await start();
      const response = await rerank('{"query":"q","documents":["a"]}', { 'content-type': type });
      expect(response.statusCode).toBe(415);
      expect(response.json().code).toBe('unsupported_media_type');
    },
  );

  it('is not fooled by a prototype in the body', async () => {
    await start();
    const response = await rerank('{"query":"q","documents":["a"],"__proto__":{"top_n":0},"constructor":1}');
    expect(response.statusCode).toBe(200);
    expect(response.headers['x-ignored-fields']).toBe('__proto__, constructor');
  });
});

describe('routes', () => {
  it('answers 404 for a path that is none, and names the methods of one that is', async () => {
    await start();
    const none = await api.inject({ url: '/v2/nothing' });
    expect(none.statusCode).toBe(404);
    expect(none.json().code).toBe('route_not_found');
    expect(none.headers).not.toHaveProperty('allow');
    const wrong = await api.inject({ method: 'DELETE', url: '/v1/rerank?x=1' });
    expect(wrong.statusCode).toBe(404);
    expect(wrong.headers.allow).toBe('POST');
    expect((await api.inject({ method: 'PATCH', url: '/v1/corpora/abc' })).headers.allow).toBe('DELETE, GET, HEAD, PUT');
  });

  it.each(['/v1/corpora/%ff', '/v1/corpora/%'])('answers a problem for the malformed path %s', async (url) => {
    await start();
    const response = await api.inject({ url });
    expect(response.statusCode).toBe(400);
    expect(problemSchema.parse(response.json()).instance).toBe(response.headers['x-request-id']);
  });

  it('answers a problem to what is no HTTP', async () => {
    await start();
    const url = new URL(await api.listen());
    const socket = connect(Number(url.port), url.hostname);
    socket.write('NONSENSE\r\n\r\n');
    const [head, body] = (await text(socket)).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(problemSchema.parse(JSON.parse(body!)).code).toBe('invalid_request');
  });

  it('documents every route, and nothing else', async () => {
    await start();
    const named = (scope: string | readonly string[] | undefined): string => [scope ?? 'open'].flat().join(' or ');
    const served = routesOf(api.app.getHttpAdapter().getInstance())
      .filter(({ method, path }) => method !== 'HEAD' && !/^\/($|assets\/|docs|openapi\.json|admin\/queues)/.test(path))
      .map(({ method, path, scope }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')} ${named(scope)}`);
    const documented = OPERATIONS.map(({ method, path, scope }) => `${method.toUpperCase()} ${path} ${named(scope)}`);
    expect(served.sort()).toEqual(documented.sort());
  });

  it('serves the document and the page that shows it, from here alone', async () => {
    await start();
    expect((await api.inject({ url: '/openapi.json' })).json().openapi).toBe('3.1.0');
    const page = await api.inject({ url: '/docs' });
    expect(page.headers['content-type']).toContain('text/html');
    expect(page.body.match(/(?:src|href)="https?:\/\//g)).toBeNull();
    expect((await api.inject({ url: '/docs/swagger-ui-bundle.js' })).statusCode).toBe(200);
  });
});

describe('request ids', () => {
  it('takes a well-formed id and makes one otherwise, on every answer', async () => {
    await start();
    const idOf = async (url: string, id: string) => (await api.inject({ url, headers: { 'x-request-id': id } })).headers['x-request-id'];
    expect(await idOf('/health/live', 'mine-1')).toBe('mine-1');
    expect(await idOf('/nothing', 'mine-2')).toBe('mine-2');
    expect(await idOf('/v1/corpora/%', 'mine-3')).toBe('mine-3');
    expect(await idOf('/health/live', 'not an id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('writes one line a request: method, route, status, time, id, and no text of it', async () => {
    await start();
    await api.inject({
      method: 'POST',
      url: '/v1/rerank',
      headers: { 'x-request-id': 'logged' },
      payload: { query: 'hunter2', documents: ['hunter2'] },
    });
    await api.inject({ url: '/v1/corpora/hunter2', headers: { 'x-request-id': 'logged-2' } });
    expect(api.log.filter((line) => line.msg === 'request')).toMatchObject([
      {
        level: 30,
        method: 'POST',
        route: '/v1/rerank',
        status: 200,
        ms: expect.any(Number) as number,
        request_id: 'logged',
        tenant: 'default',
      },
      { level: 30, method: 'GET', route: '/v1/corpora/:name', status: 404, code: 'corpus_not_found', request_id: 'logged-2' },
    ]);
    expect(JSON.stringify(api.log)).not.toContain('hunter2');
  });
});

describe('keys and tenants', () => {
  const keys = (...entries: object[]) => ({ API_KEYS: JSON.stringify(entries) });
  const acme = { key: 'acme-key-0123456789', tenant: 'acme', scopes: ['search', 'ingest', 'admin'] };
  const globex = { key: 'globex-key-0123456789', tenant: 'globex', scopes: ['search'] };
  const as = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` });
  /** As a client that sends a body only when it is told to. */
  const sendHead = async (headers: Readonly<Record<string, string>>) => {
    const url = new URL(await api.listen());
    const socket = connect(Number(url.port), url.hostname);
    const lines = Object.entries({ host: url.host, ...JSON_TYPE, expect: '100-continue', ...headers });
    socket.write(`POST /v1/rerank HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
    return socket;
  };

  it('asks for a key before it reads the body', async () => {
    await start(keys(acme));
    const response = await rerank('{"not json');
    expect(response.statusCode).toBe(401);
    expect(response.headers['www-authenticate']).toBe('Bearer');
    expect(response.json().code).toBe('unauthorized');
  });

  it.each([
    ['a key that is not known', { authorization: 'Bearer nobody-0123456789' }, '401 Unauthorized'],
    ['more than is taken', { ...as(acme), 'content-length': '10001' }, '413 Payload Too Large'],
  ])('refuses %s before the body is sent, where the client waits for that', async (_, headers, wanted) => {
    await start({ ...keys(acme), MAX_BODY_BYTES: '10000' });
    const socket = await sendHead({ 'content-length': '10000', ...headers });
    const answer = await text(socket);
    expect(answer).toContain(`HTTP/1.1 ${wanted}\r\n`);
    expect(answer).not.toContain('100 Continue');
    expect(answer.toLowerCase()).toContain('\r\nconnection: close\r\n');
  });

  it('has a client that waits for it send a body that is to be read', async () => {
    await start(keys(acme));
    const body = JSON.stringify({ query: 'q', documents: ['a'] });
    const socket = await sendHead({ ...as(acme), 'content-length': String(body.length), connection: 'close' });
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write(body);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  it('refuses a key without the scope', async () => {
    await start(keys(globex));
    expect((await api.inject({ url: '/v1/models', headers: as(globex) })).statusCode).toBe(200);
    const response = await api.inject({ method: 'PUT', url: '/v1/corpora/a', headers: as(globex) });
    expect(response.statusCode).toBe(403);
    expect(response.json().detail).toContain('admin');
  });

  it('shows the models to keys that search and to those of operators, and to no others', async () => {
    const holder = (scopes: string[]) => ({ ...globex, key: `${scopes.join('-')}-0123456789`, scopes });
    const [operator, uploader] = [holder(['operator']), holder(['jobs', 'ingest', 'admin'])];
    await start(keys(acme, operator, uploader));
    const status = async (key: typeof acme) => (await api.inject({ url: '/v1/models', headers: as(key) })).statusCode;
    expect([await status(acme), await status(operator), await status(uploader)]).toEqual([200, 200, 403]);
  });

  it("knows nothing of another tenant's corpora, documents and jobs", async () => {
    await start(keys(acme, { ...globex, scopes: ['search', 'ingest', 'admin'] }));
    await api.fleet.documents.createCorpus(corpusRecord({ tenant: 'acme', corpus: 'secret' }));
    const payload = { documents: [{ id: 'd', text: 'one' }] };
    const job = (await api.inject({ method: 'POST', url: '/v1/corpora/secret/documents?wait=true', headers: as(acme), payload })).json();
    expect(job.status).toBe('completed');
    const other = async (method: 'GET' | 'POST' | 'DELETE', url: string, body?: object) =>
      (await api.inject({ method, url, headers: as(globex), ...(body === undefined ? {} : { payload: body }) })).statusCode;
    expect(await other('GET', job.urls.self)).toBe(404);
    expect(await other('GET', '/v1/corpora/secret')).toBe(404);
    expect(await other('GET', '/v1/corpora/secret/documents/d')).toBe(404);
    expect(await other('DELETE', '/v1/corpora/secret/documents/d')).toBe(404);
    expect(await other('DELETE', '/v1/corpora/secret')).toBe(404);
    expect(await other('POST', '/v1/corpora/secret/documents', payload)).toBe(404);
    expect(await other('POST', '/v1/search', { corpus: 'secret', query: 'q' })).toBe(404);
    expect((await api.inject({ url: '/v1/corpora', headers: as(globex) })).json().data).toEqual([]);
    expect((await api.inject({ url: job.urls.self, headers: as(acme) })).statusCode).toBe(200);
  });

  it('serves health and documentation without a key', async () => {
    await start(keys(acme));
    for (const url of ['/health/live', '/health/ready', '/docs', '/openapi.json']) expect((await api.inject({ url })).statusCode).toBe(200);
  });

  it('without keys, refuses hosts and pages from elsewhere', async () => {
    await start();
    expect((await api.inject({ url: '/v1/models', headers: { host: 'localhost:8080' } })).statusCode).toBe(200);
    expect((await api.inject({ url: '/v1/models', headers: { host: 'rebound.example' } })).json().code).toBe('forbidden');
    expect((await api.inject({ url: '/v1/models', headers: { host: 'localhost', origin: 'https://evil.example' } })).statusCode).toBe(403);
  });
});

describe('health', () => {
  it('is ready without workers, and not without the queue or the store', async () => {
    await start();
    api.fleet.workers = [];
    const ready = () => api.inject({ url: '/health/ready' });
    expect((await ready()).json()).toEqual({ status: 'ok', checks: { queue: { status: 'ok' }, document_store: { status: 'ok' } } });
    api.fleet.pingFault = new Error('connect ECONNREFUSED 10.0.0.1');
    const without = await ready();
    expect(without.statusCode).toBe(503);
    expect(without.json()).toMatchObject({ status: 'error', checks: { queue: { status: 'error' }, document_store: { status: 'ok' } } });
    expect(without.body).not.toContain('10.0.0.1');
    api.fleet.pingFault = undefined;
    api.fleet.documents.fault = new RerankError('candidate_store_unavailable', 'x');
    expect((await ready()).statusCode).toBe(ERROR_CATALOGUE.candidate_store_unavailable.status);
    expect((await api.inject({ url: '/health/live' })).statusCode).toBe(200);
  });
});

describe('a client that leaves', () => {
  it('aborts its task, and has its line in the log', async () => {
    await start();
    const aborted = new Promise<unknown>((resolve) => {
      api.fleet.answer = ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            resolve(signal.reason);
            reject(signal.reason as Error);
          });
        });
    });
    const url = await api.listen();
    const leaving = new AbortController();
    const call = fetch(new URL('/v1/rerank', url), {
      method: 'POST',
      headers: JSON_TYPE,
      body: '{"query":"q","documents":["a"]}',
      signal: leaving.signal,
    });
    call.catch(() => undefined);
    while (api.fleet.calls.length === 0) await sleep(5);
    leaving.abort();
    expect(await aborted).toMatchObject({ name: 'AbortError' });
    const lines = (): unknown[] => api.log.filter(({ message, msg }) => (message ?? msg) === 'request');
    await expect.poll(() => lines().length).toBe(1);
    expect(lines()[0]).toMatchObject({ route: '/v1/rerank', client_gone: true, request_id: expect.any(String) as string });
    expect(lines()[0]).not.toHaveProperty('status');
    expect((await fetch(new URL('/health/live', url))).status).toBe(200);
  });

  it('does not abort a task that is answered', async () => {
    await start();
    const url = await api.listen();
    const response = await fetch(new URL('/v1/rerank', url), {
      method: 'POST',
      headers: { ...JSON_TYPE, connection: 'close' },
      body: '{"query":"q","documents":["a"]}',
    });
    await response.text();
    expect(api.fleet.calls[0]?.signal.aborted).toBe(false);
  });
});

describe('closing', () => {
  it('ends requests in flight and takes no new ones', async () => {
    await start();
    let finish: (() => void) | undefined;
    api.fleet.answer = ({ body }) =>
      new Promise((resolve) => {
        finish = () => resolve({ kind: 'rerank', model: 'm', results: [], prompt_tokens: body.kind.length, timings_ms: { queue: 0 } });
      });
    const url = await api.listen();
    const inFlight = fetch(new URL('/v1/rerank', url), { method: 'POST', headers: JSON_TYPE, body: '{"query":"q","documents":["a"]}' });
    while (finish === undefined) await sleep(5);
    const closed = api.close();
    await sleep(50);
    await expect(fetch(new URL('/health/live', url), { headers: { connection: 'close' } })).rejects.toThrow('fetch failed');
    finish();
    expect((await inFlight).status).toBe(200);
    await closed;
  });
});
