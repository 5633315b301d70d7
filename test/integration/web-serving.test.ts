import { installWeb } from '@rerank-fleet/api/web/install-web';
import { WEB_FOLDER } from '@rerank-fleet/api/web/web-files';
import { problemSchema } from '@rerank-fleet/core/contracts';
import { fastify, type FastifyInstance } from 'fastify';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../support/web-build.js';
import { startTestApi, type Answer, type TestApi } from './api-support.js';

const KEYS = JSON.stringify([{ key: 'a-key-of-sixteen-chars', tenant: 'acme', scopes: ['search'] }]);
const PROBLEM = 'application/problem+json; charset=utf-8';

/** As it is by default: one for all, and one more where a test wants another. */
let api: TestApi;
let address: URL;
const opened: TestApi[] = [];
beforeAll(async () => {
  await build();
  api = await startTestApi();
  address = new URL(await api.listen());
});
afterEach(async () => {
  for (const other of opened.splice(0)) await other.close();
});
afterAll(() => api.close());

async function start(env: Readonly<Record<string, string>>): Promise<TestApi> {
  const other = await startTestApi(env);
  opened.push(other);
  return other;
}

const get = (url: string, headers: Record<string, string> = {}): Promise<Answer> => api.inject({ url, headers });
const codeOf = (answer: Answer): string => problemSchema.parse(JSON.parse(answer.body)).code;
/** Files that the page names. */
const assetsOf = (page: Answer): string[] => [...page.body.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, path]) => `/${path!}`);

describe('the built pages', () => {
  it('are served without a key, and ask for a fresh page each time', async () => {
    const other = await start({ API_KEYS: KEYS });
    const page = await other.inject({ url: '/' });
    expect(page).toMatchObject({ statusCode: 200, headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' } });
    const again = await other.inject({ url: '/', headers: { 'if-none-match': page.headers['etag']! } });
    expect(again).toMatchObject({ statusCode: 304, body: '' });
    expect(assetsOf(page).length).toBeGreaterThan(2);
    for (const url of assetsOf(page)) expect((await other.inject({ url })).statusCode).toBe(200);
  });

  it('keep assets for ever, as their names change with their contents', async () => {
    const page = await get('/');
    for (const url of assetsOf(page)) {
      const { headers } = await api.inject({ url });
      expect(headers['cache-control']).toBe('public, max-age=31536000, immutable');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(url).toMatch(/-[\w-]{8}\.(js|css|svg)$/);
    }
  });

  it('load nothing from elsewhere and run nothing but their own files', async () => {
    const page = await get('/');
    const policy = page.headers['content-security-policy']!.split('; ');
    expect(policy).toEqual(
      expect.arrayContaining(["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]),
    );
    expect(policy.join()).not.toMatch(/unsafe|data:|https?:|\*/);
    expect(page.body.match(/<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=|https?:\/\//g)).toBeNull();
    expect(page.headers).toMatchObject({
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
  });

  it('hold no module of Node', async () => {
    const scripts = assetsOf(await get('/')).filter((url) => url.endsWith('.js'));
    const sources = await Promise.all(scripts.map(async (url) => (await api.inject({ url })).body));
    expect(scripts.length).toBeGreaterThan(0);
    expect(sources.join('').match(/from\s*["']node:|require\(["'](node:|fs|crypto)|__vite-browser-external/g)).toBeNull();
  });

  it('are small, and sent compressed to those who take that', async () => {
    const script = assetsOf(await get('/')).find((url) => url.endsWith('.js'))!;
    const plain = await api.inject({ url: script });
    expect(plain.headers['content-encoding']).toBeUndefined();
    for (const encoding of ['br', 'gzip']) {
      const { headers } = await api.inject({ url: script, headers: { 'accept-encoding': encoding } });
      expect(headers).toMatchObject({
        'content-encoding': encoding,
        vary: 'accept-encoding',
        'content-type': expect.stringMatching(/javascript; charset=utf-8$/) as string,
      });
      expect(Number(headers['content-length'])).toBeLessThan(90_000);
    }
  });

  it('answer HEAD as GET, without the body', async () => {
    const answer = await api.inject({ method: 'HEAD', url: '/' });
    expect(answer).toMatchObject({ statusCode: 200, body: '', headers: { 'content-type': 'text/html; charset=utf-8' } });
  });

  it('are gone with WEB_ENABLED=false, and the API is not', async () => {
    const other = await start({ WEB_ENABLED: 'false' });
    expect(codeOf(await other.inject({ url: '/' }))).toBe('route_not_found');
    expect((await other.inject({ url: '/health/live' })).statusCode).toBe(200);
  });
});

describe('the build', () => {
  it('does nothing where nothing has changed', async () => {
    const written = async (): Promise<number> => (await stat(join(WEB_FOLDER, 'index.html'))).mtimeMs;
    const before = await written();
    await build();
    expect(await written()).toBe(before);
  });
});

describe('paths that are none', () => {
  it.each([
    '/index.html',
    '/jobs',
    '/playground',
    '/v1/nothing',
    '/v1',
    '/assets',
    '/assets/',
    '/assets/none-12345678.js',
    '/favicon.ico',
    '/robots.txt',
  ])('answer a problem for %s', async (url) => {
    const answer = await get(url, { accept: 'text/html' });
    expect(answer).toMatchObject({ statusCode: 404, headers: { 'content-type': PROBLEM, 'cache-control': 'no-store' } });
    expect(codeOf(answer)).toBe('route_not_found');
  });

  it.each([
    '/assets/../index.html',
    '/assets/..%2findex.html',
    '/assets/%2e%2e%2f%2e%2e%2fpackage.json',
    '/assets/..%5c..%5cpackage.json',
    '/assets/....//package.json',
    '/assets/%2fetc%2fpasswd',
    '/assets/x%00-12345678.js',
    '/..%2f..%2fpackage.json',
    '//etc/passwd',
  ])('let nobody out of the folder by %s', async (path) => {
    const socket = connect(Number(address.port), address.hostname);
    // By hand: clients tidy such addresses up.
    socket.end(`GET ${path} HTTP/1.1\r\nhost: ${address.host}\r\nconnection: close\r\n\r\n`);
    const [head, body] = (await text(socket)).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 40[04] /);
    expect(JSON.parse(body!)).toMatchObject({ code: expect.stringMatching(/^(route_not_found|invalid_request)$/) as string });
  });

  it('answer a problem where a method is not taken', async () => {
    const answer = await api.inject({ method: 'POST', url: '/', payload: {} });
    expect(answer).toMatchObject({ statusCode: 404, headers: { allow: 'GET, HEAD' } });
    expect(codeOf(answer)).toBe('route_not_found');
  });
});

describe('the API beside the pages', () => {
  it('answers its own routes, with its own keys', async () => {
    const other = await start({ API_KEYS: KEYS });
    const headers = { authorization: 'Bearer a-key-of-sixteen-chars', accept: 'text/html' };
    expect(codeOf(await other.inject({ url: '/v1/models', headers: { accept: 'text/html' } }))).toBe('unauthorized');
    expect((await other.inject({ url: '/v1/models', headers })).json().object).toBe('list');
    expect(codeOf(await other.inject({ url: '/v1/admin/workers', headers }))).toBe('forbidden');
    expect((await other.inject({ url: '/docs' })).headers['content-type']).toContain('text/html');
    expect((await other.inject({ url: '/openapi.json' })).json().openapi).toBe('3.1.0');
    expect(codeOf(await other.inject({ method: 'POST', url: '/rerank', payload: { query: 'q', texts: ['t'] } }))).toBe('unauthorized');
  });

  it('documents no page', async () => {
    const { paths } = JSON.parse((await get('/openapi.json')).body) as { paths: Record<string, unknown> };
    expect(Object.keys(paths).filter((path) => path === '/' || path.startsWith('/assets'))).toEqual([]);
  });
});

describe('a folder that', () => {
  let folder: string;
  let instance: FastifyInstance;
  afterEach(async () => {
    await instance.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(files: Readonly<Record<string, string | Buffer>>): Promise<void> {
    folder = await mkdtemp(join(tmpdir(), 'rerank-web-'));
    await mkdir(join(folder, 'assets'));
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    instance = fastify();
    installWeb(instance, { enabled: true, folder });
  }

  it('is not built says how to build it, in the form that was asked for', async () => {
    await serve({});
    const page = await instance.inject({ url: '/', headers: { accept: 'text/html,*/*' } });
    expect(page).toMatchObject({ statusCode: 404, headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' } });
    expect(page.body).toContain('npm run build');
    const problem = await instance.inject({ url: '/' });
    expect(problem.headers['content-type']).toBe(PROBLEM);
    expect(problemSchema.parse(problem.json())).toMatchObject({
      code: 'route_not_found',
      detail: expect.stringContaining('npm run build') as string,
    });
  });

  it('is built while the API runs is served from then on', async () => {
    await serve({});
    expect((await instance.inject({ url: '/' })).statusCode).toBe(404);
    await writeFile(join(folder, 'index.html'), 'the page');
    expect(await instance.inject({ url: '/' })).toMatchObject({ statusCode: 200, body: 'the page' });
  });

  it('holds other files gives only those that the build names', async () => {
    await serve({
      'index.html': 'page',
      'assets/app-abcd_-12.js': 'code',
      'assets/app-abcd_-12.js.gz': gzipSync('code'),
      'assets/notes.txt': 'secret',
      'assets/.env': 'secret',
    });
    expect((await instance.inject({ url: '/assets/app-abcd_-12.js' })).body).toBe('code');
    for (const name of ['notes.txt', '.env', 'app-abcd_-12.js.gz']) {
      const { statusCode, body } = await instance.inject({ url: `/assets/${name}` });
      expect([statusCode, body.includes('secret')]).toEqual([404, false]);
    }
  });
});
