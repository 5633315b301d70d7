import { apiKeyListSchema, createdKeySchema, SCOPES, whoamiSchema, type CreatedKeyBody } from '@rerank-fleet/core/contracts';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisServer } from '../support/redis-server.js';
import { announce } from './jobs-support.js';
import { OPERATOR, OperatedApi, SEARCHER } from './operator-support.js';

let redis: RedisServer;
let stateDirectory: string;
const apis: OperatedApi[] = [];

beforeEach(async () => {
  [redis, stateDirectory] = await Promise.all([RedisServer.start(), mkdtemp(join(tmpdir(), 'rerank-keys-'))]);
});
afterEach(async () => {
  for (const api of apis.splice(0)) await api.close();
  await redis.stop();
  await rm(stateDirectory, { recursive: true, force: true });
});

/** One process more, on the same Redis. */
async function start(env: Readonly<Record<string, string>> = {}): Promise<OperatedApi> {
  const api = await OperatedApi.start({ redisUrl: redis.url, stateDirectory, env });
  apis.push(api);
  return api;
}

async function create(api: OperatedApi, fields: object = {}, by = OPERATOR): Promise<CreatedKeyBody> {
  const { status, body } = await api.post('/v1/admin/keys', { tenant: 'acme', scopes: ['search'], ...fields }, by);
  expect(status).toBe(201);
  return createdKeySchema.parse(body);
}

const list = async (api: OperatedApi) => apiKeyListSchema.parse((await api.get('/v1/admin/keys')).body);
const statusWith = async (api: OperatedApi, key: string) => (await api.get('/v1/corpora', key)).status;

describe('POST /v1/admin/keys', () => {
  it('makes a key that every process takes at once, and shows it that once', async () => {
    const [one, other] = [await start(), await start()];
    const made = await create(one, { name: 'the shop', expires_in_s: 3_600, sync_tokens: 5_000 });
    expect(made.key).toMatch(/^rf_[\w-]{43}$/);
    expect(made).toMatchObject({ source: 'api', tenant: 'acme', scopes: ['search'], name: 'the shop', sync_tokens: 5_000, expired: false });
    expect(made.hint).toBe(`${made.key.slice(0, 7)}…${made.key.slice(-4)}`);
    expect(made.expires_at! - made.created_at!).toBe(3_600);
    expect(await statusWith(one, made.key)).toBe(200);
    expect(await statusWith(other, made.key)).toBe(200);
    const { key: _, ...shown } = made;
    expect((await list(other)).data).toContainEqual(shown);
  });

  it('holds the key to its scopes', async () => {
    const api = await start();
    const { key } = await create(api, { scopes: ['jobs'] });
    expect((await api.get('/v1/jobs', key)).status).toBe(200);
    expect((await api.get('/v1/corpora', key)).body).toMatchObject({ code: 'forbidden' });
    expect((await api.post('/v1/admin/keys', { tenant: 'acme', scopes: ['operator'] }, key)).status).toBe(403);
    expect((await api.post('/v1/admin/keys', { tenant: 'acme', scopes: ['operator'] }, SEARCHER)).status).toBe(403);
  });

  it.each([
    { tenant: 'acme' },
    { tenant: 'Acme', scopes: ['search'] },
    { tenant: 'acme', scopes: [] },
    { tenant: 'acme', scopes: ['root'] },
    { tenant: 'acme', scopes: ['search'], expires_in_s: 1 },
    { tenant: 'acme', scopes: ['search'], key: 'mine' },
  ])('refuses %j', async (body) => {
    const api = await start();
    expect((await api.post('/v1/admin/keys', body)).body).toMatchObject({ code: 'invalid_request' });
  });

  it('leaves the key itself nowhere in Redis, and all of its traces in one slot', async () => {
    const api = await start();
    const { key, id } = await create(api);
    expect(await statusWith(api, key)).toBe(200);
    const connection = await connectRedis(redis.url, { role: 'consumer', name: 'test' });
    const names = await connection.keys('*');
    const kept = await Promise.all(
      names.map(async (name) => ((await connection.type(name)) === 'hash' ? await connection.hvals(name) : [])),
    );
    connection.disconnect();
    expect(kept.flat().join('\n')).toContain(id);
    expect(kept.flat().join('\n')).not.toContain(key);
    expect(names.filter((name) => !name.startsWith('{rf}'))).toEqual([]);
  });
});

describe('a key with sync_tokens', () => {
  it('lets a call in while the calls of its tenant have no more tokens than that', async () => {
    await announce(redis);
    const api = await start();
    const { key } = await create(api, { tenant: 'default', sync_tokens: 1_000 });
    const call = { query: 'q', documents: Array.from({ length: 20 }, () => 'x'.repeat(1_000)), timeout_ms: 300 };
    const refused = await api.post('/v1/rerank', call, key);
    expect(refused).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
    expect(String(refused.body['detail'])).toContain('sync_tokens');
    const small = await api.post('/v1/rerank', { ...call, documents: ['a'] }, key);
    expect(small.headers.get('x-ratelimit-limit-tokens')).toBe('1000');
    // With another key of the tenant it is let in, and nobody does it.
    const admitted = await api.post('/v1/rerank', call, SEARCHER);
    expect(admitted.status).toBe(504);
    expect(admitted.headers.get('x-ratelimit-limit-tokens')).toBe('2000000');
  });
});

describe('DELETE /v1/admin/keys/{id}', () => {
  it('revokes a key at once here, and within a second or two in every other process', async () => {
    const [one, other] = [await start(), await start()];
    const { key, id } = await create(one);
    expect(await statusWith(other, key)).toBe(200);
    expect((await one.delete(`/v1/admin/keys/${id}`)).status).toBe(204);
    expect(await statusWith(one, key)).toBe(401);
    await expect.poll(() => statusWith(other, key), { timeout: 5_000, interval: 50 }).toBe(401);
    expect((await list(one)).data.map((each) => each.id)).not.toContain(id);
    expect((await one.delete(`/v1/admin/keys/${id}`)).body).toMatchObject({ code: 'key_not_found' });
  });

  it('shows keys of the configuration, without a trace of them, and leaves them alone', async () => {
    const api = await start();
    const { keys_required, data } = await list(api);
    expect(keys_required).toBe(true);
    expect(data.map(({ source, tenant }) => [source, tenant])).toEqual([
      ['configuration', 'operations'],
      ['configuration', 'default'],
    ]);
    expect(JSON.stringify(data)).not.toContain(OPERATOR);
    for (const { id } of data) expect((await api.delete(`/v1/admin/keys/${id}`)).body).toMatchObject({ code: 'key_not_removable' });
    expect((await api.get('/v1/admin/keys')).status).toBe(200);
  });

  it('does not take the last key of an operator away', async () => {
    const first = await start();
    const operator = await create(first, { scopes: ['operator'] });
    // The configuration has one of an operator.
    const spare = await create(first, { scopes: ['operator'] });
    expect((await first.delete(`/v1/admin/keys/${spare.id}`)).status).toBe(204);
    const without = await start({ API_KEYS: JSON.stringify([{ key: SEARCHER, tenant: 'default', scopes: ['search'] }]) });
    expect((await without.delete(`/v1/admin/keys/${operator.id}`, operator.key)).body).toMatchObject({ code: 'key_not_removable' });
    const second = await create(without, { scopes: ['operator'] }, operator.key);
    expect((await without.delete(`/v1/admin/keys/${operator.id}`, second.key)).status).toBe(204);
  });
});

describe('GET /v1/whoami', () => {
  const ask = async (api: OperatedApi, key?: string) => {
    const { status, body } = await api.get('/v1/whoami', key);
    expect(status).toBe(200);
    return whoamiSchema.parse(body);
  };

  it.each(SCOPES)('tells a key with the scope %s alone whose it is and what it allows', async (scope) => {
    const api = await start();
    const { id, key, expires_at } = await create(api, { scopes: [scope], name: 'the shop', expires_in_s: 3_600, sync_tokens: 5_000 });
    expect(await ask(api, key)).toEqual({
      object: 'whoami',
      tenant: 'acme',
      scopes: [scope],
      key: { id, source: 'api', name: 'the shop', sync_tokens: 5_000, expires_at },
    });
  });

  it('names a key of the configuration as the list of keys does', async () => {
    const api = await start();
    const { data } = await list(api);
    const { id } = data.find(({ tenant }) => tenant === 'operations')!;
    expect(await ask(api)).toEqual({
      object: 'whoami',
      tenant: 'operations',
      scopes: ['operator'],
      key: { id, source: 'configuration' },
    });
  });

  it('names no key where none is needed, and refuses where one is', async () => {
    const open = await start({ API_KEYS: '' });
    expect(await ask(open, '')).toEqual({ object: 'whoami', tenant: 'default', scopes: [...SCOPES] });
    const closed = await start();
    expect((await closed.get('/v1/whoami', '')).body).toMatchObject({ code: 'unauthorized' });
  });
});

describe('an entry of a key that is damaged', () => {
  it('opens nothing, is named, keeps no other key from working, and can be deleted', async () => {
    const before = await start();
    const good = await create(before);
    const [cut, other, lent] = [await create(before), await create(before), await create(before)];
    const connection = await connectRedis(redis.url, { role: 'consumer', name: 'test' });
    const keys = '{rf}:api-keys';
    const whole = (await connection.hget(keys, lent.id))!;
    await connection.hset(keys, cut.id, whole.slice(0, 20), other.id, '{"form":"of another release"}', 'key_copy', whole);
    await connection.set(`${keys}:version`, 'another');
    const api = await start();
    for (const process of [before, api]) {
      expect(await statusWith(process, good.key)).toBe(200);
      await expect.poll(() => statusWith(process, cut.key), { timeout: 5_000 }).toBe(401);
    }
    const found = await list(api);
    expect(found.data.filter(({ source }) => source === 'api').map(({ id }) => id)).toEqual(expect.arrayContaining([good.id, lent.id]));
    expect(found.unreadable).toEqual([cut.id, other.id, 'key_copy'].sort());
    expect((await api.delete(`/v1/admin/keys/${good.id}`)).status).toBe(204);
    for (const id of found.unreadable ?? []) expect((await api.delete(`/v1/admin/keys/${id}`)).status).toBe(204);
    expect(await list(api)).not.toHaveProperty('unreadable');
    expect(await connection.hkeys(keys)).toEqual([lent.id]);
    connection.disconnect();
  });
});

describe('two operators who each remove the key of the other at the same time', () => {
  it('do not lock everybody out', async () => {
    const env = { API_KEYS: JSON.stringify([{ key: SEARCHER, tenant: 'default', scopes: ['search'] }]) };
    const maker = await start();
    const processes = [await start(env), await start(env)] as const;
    for (let round = 0; round < 5; round += 1) {
      const [a, b] = [await create(maker, { scopes: ['operator'] }), await create(maker, { scopes: ['operator'] })];
      const answers = await Promise.all([
        processes[0].delete(`/v1/admin/keys/${a.id}`, b.key),
        processes[1].delete(`/v1/admin/keys/${b.id}`, a.key),
      ]);
      const left = (await list(maker)).data.filter(({ source }) => source === 'api');
      expect(left).toHaveLength(1);
      expect(answers.map(({ status }) => status)).toContain(204);
      expect((await maker.delete(`/v1/admin/keys/${left[0]!.id}`)).status).toBe(204);
    }
  });
});

describe('keys that were made', () => {
  it('survive restarts of the API and of Redis', async () => {
    const before = await start();
    const { key } = await create(before);
    await apis.pop()!.close();
    await redis.kill('SIGTERM');
    await redis.resume();
    expect(await statusWith(await start(), key)).toBe(200);
  });

  it('hold while Redis is away, as far as they were known', async () => {
    const api = await start();
    const { key } = await create(api);
    await redis.kill('SIGTERM');
    expect(await statusWith(api, key)).toBe(200);
    expect((await api.get('/v1/corpora', 'rf_unknown')).status).toBe(401);
    await redis.resume();
  });
});

describe('a server without keys in its configuration', () => {
  it('goes on answering without one after the first key was made, and takes that key for what it is', async () => {
    const api = await start({ API_KEYS: '' });
    const made = await create(api, { tenant: 'acme', scopes: ['search'] }, '');
    expect((await api.get('/v1/admin/keys', '')).body).toMatchObject({ keys_required: false, data: [{ id: made.id, source: 'api' }] });
    expect(await statusWith(api, '')).toBe(200);
    // Clients of other services always send a key of theirs.
    expect(await statusWith(api, 'sk-of-another-service')).toBe(200);
    expect((await api.get('/v1/admin/workers', made.key)).body).toMatchObject({ code: 'forbidden' });
    expect((await api.delete(`/v1/admin/keys/${made.id}`, '')).status).toBe(204);
    expect(await statusWith(api, made.key)).toBe(401);
    expect(await statusWith(api, '')).toBe(200);
  });
});
