import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ApiKeyRing } from './api-key-ring.js';
import { authorize } from './authorize.js';

const LOCAL = { host: '127.0.0.1:8080' };
const open = new ApiKeyRing([]);
const ring = new ApiKeyRing([
  { key: 'a-key-of-sixteen-chars', tenant: 'acme', scopes: ['search'] },
  { sha256: createHash('sha256').update('another-key-entirely').digest('hex'), tenant: 'globex', scopes: ['search', 'ingest'] },
]);

const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;

describe('authorize', () => {
  it('knows a key, given whole or by its digest', () => {
    expect(authorize(ring, { authorization: 'Bearer a-key-of-sixteen-chars' }, 'search').tenant).toBe('acme');
    expect(authorize(ring, { authorization: 'bearer  another-key-entirely ' }, 'ingest').tenant).toBe('globex');
  });

  it.each([undefined, '', 'Bearer', 'Bearer ', 'Basic YTpi', 'a-key-of-sixteen-chars', 'Bearer a-key-of-sixteen-char', 'Bearer a b'])(
    'refuses %j',
    (authorization) => {
      expect(() => authorize(ring, { ...(authorization === undefined ? {} : { authorization }) }, 'search')).toThrow(code('unauthorized'));
    },
  );

  it('refuses a key without the scope', () => {
    expect(() => authorize(ring, { authorization: 'Bearer a-key-of-sixteen-chars' }, 'ingest')).toThrow(code('forbidden'));
  });

  it('takes a key with one of several scopes', () => {
    expect(authorize(ring, { authorization: 'Bearer another-key-entirely' }, ['jobs', 'ingest']).tenant).toBe('globex');
    expect(() => authorize(ring, { authorization: 'Bearer a-key-of-sixteen-chars' }, ['jobs', 'ingest'])).toThrow(/"jobs" or "ingest"/);
  });

  it('asks nothing of the host where there are keys', () => {
    expect(authorize(ring, { host: 'api.example.com', authorization: 'Bearer a-key-of-sixteen-chars' }, 'search').tenant).toBe('acme');
  });

  it.each(['localhost', 'localhost:8080', '127.0.0.1:9', '127.8.9.1', '[::1]:8080', 'LOCALHOST'])('serves %s without keys', (host) => {
    expect(authorize(open, { host }, 'admin')).toMatchObject({ tenant: 'default' });
  });

  it.each([undefined, '', 'evil.com', 'localhost.evil.com', '127.0.0.1.evil.com', '10.0.0.1', '0.0.0.0', '[::2]', 'evil.com:8080', 'a b'])(
    'refuses the host %j without keys',
    (host) => {
      expect(() => authorize(open, host === undefined ? {} : { host }, 'search')).toThrow(code('forbidden'));
    },
  );

  it.each(['http://localhost:3000', 'http://127.0.0.1', 'http://[::1]:5173'])('serves a page of %s', (origin) => {
    expect(authorize(open, { ...LOCAL, origin }, 'search').tenant).toBe('default');
  });

  it.each(['https://evil.com', 'null', '', 'http://localhost.evil.com'])('refuses a page of %j', (origin) => {
    expect(() => authorize(open, { ...LOCAL, origin }, 'search')).toThrow(code('forbidden'));
  });
});
