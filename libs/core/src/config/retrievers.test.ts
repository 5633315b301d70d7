import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './load-config.js';

const connectionsOf = (value: unknown) =>
  loadConfig({ RETRIEVERS: typeof value === 'string' ? value : JSON.stringify(value) }).retrievers.connections;
const ENTRY = { name: 'docs', kind: 'elasticsearch', url: 'https://search.internal:9200/es' };
const SECRET = 'correct-horse-battery';

function faultsOf(value: unknown): readonly string[] {
  try {
    connectionsOf(value);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rerank-retrievers-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('RETRIEVERS', () => {
  it('is none where it is not set', () => {
    expect(loadConfig({}).retrievers.connections).toEqual([]);
    expect(connectionsOf('[]')).toEqual([]);
  });

  it('is read from JSON or from a file, with defaults', () => {
    const file = join(folder, 'retrievers.json');
    writeFileSync(file, JSON.stringify([ENTRY]));
    const expected = [{ ...ENTRY, headers: {}, timeoutMs: 10_000, maxResponseBytes: 33_554_432, insecure: false }];
    expect(connectionsOf([ENTRY])).toEqual(expected);
    expect(connectionsOf(file)).toEqual(expected);
  });

  it.each([
    [{ ...ENTRY, api_key: SECRET }, `ApiKey ${SECRET}`],
    [{ ...ENTRY, kind: 'http', api_key: SECRET }, `Bearer ${SECRET}`],
    [{ ...ENTRY, kind: 'opensearch', username: 'admin', password: SECRET }, `Basic ${btoa(`admin:${SECRET}`)}`],
    [{ ...ENTRY, headers: { Authorization: SECRET } }, SECRET],
  ])('makes one header of credentials, and shows them nowhere', (entry, header) => {
    const connections = connectionsOf([entry]);
    expect(connections[0]?.headers['authorization']?.reveal()).toBe(header);
    const shown = [
      JSON.stringify(connections),
      inspect(connections, { depth: 9, showHidden: true }),
      String(connections[0]?.headers['authorization']),
    ];
    for (const text of shown) {
      expect(text).not.toContain(header);
      expect(text).toContain('[redacted]');
    }
  });

  it('reads certificates from a file or as they are', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n';
    const file = join(folder, 'ca.pem');
    writeFileSync(file, pem);
    expect(connectionsOf([{ ...ENTRY, ca: file }])[0]?.ca).toBe(pem);
    expect(connectionsOf([{ ...ENTRY, ca: pem }])[0]?.ca).toBe(pem);
  });

  it.each<[unknown, RegExp]>([
    ['no-such-file.json', /^RETRIEVERS: is neither a JSON array nor the path of a file/],
    ['[{', /^RETRIEVERS: is not valid JSON$/],
    [[{ ...ENTRY, kind: 'solr' }], /^RETRIEVERS: 0\.kind /],
    [[{ ...ENTRY, name: 'a b' }], /^RETRIEVERS: 0\.name must be/],
    [[ENTRY, { ...ENTRY, kind: 'http' }], /^RETRIEVERS: names a connection twice$/],
    [[{ ...ENTRY, url: 'ftp://a' }], /^RETRIEVERS: 0\.url /],
    [[{ ...ENTRY, url: `https://user:${SECRET}@a` }], /^RETRIEVERS: 0\.url must not hold credentials$/],
    [[{ ...ENTRY, url: 'https://a/?x=1' }], /0\.url must have neither a query/],
    [[{ ...ENTRY, username: 'a' }], /0\.password goes with username/],
    [[{ ...ENTRY, username: 'a', password: SECRET, api_key: SECRET }], /0\.api_key has no place/],
    [[{ ...ENTRY, api_key: SECRET, headers: { AUTHORIZATION: SECRET } }], /0\.headers must not hold Authorization/],
    [[{ ...ENTRY, kind: 'opensearch', api_key: SECRET }], /0\.api_key is nothing that OpenSearch knows/],
    [[{ ...ENTRY, headers: { Host: 'elsewhere' } }], /0\.headers\.Host /],
    [[{ ...ENTRY, headers: { 'X-A': `${SECRET}\r\nHost: b` } }], /0\.headers\.X-A must be printable ASCII/],
    [[{ ...ENTRY, headers: { 'X-A': 'a', 'x-a': 'b' } }], /0\.headers names a header twice/],
    [[{ ...ENTRY, url: 'http://a', insecure: true }], /0\.url must be https/],
    [[{ ...ENTRY, ca: 'no-such.pem' }], /0\.ca is neither PEM text nor/],
    [[{ ...ENTRY, tenants: [] }], /0\.tenants/],
    [[{ ...ENTRY, kind: 'http', indices: ['a'] }], /Unrecognized key: "indices"/],
    [[{ ...ENTRY, timeout_ms: 5 }], /0\.timeout_ms/],
  ])('refuses %j, and says no value', (value, fault) => {
    const faults = faultsOf(value);
    expect(faults).toEqual([expect.stringMatching(fault)]);
    expect(faults.join()).not.toContain(SECRET);
  });
});
