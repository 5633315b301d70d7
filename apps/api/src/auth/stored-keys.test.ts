import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { MemoryApiKeys } from '../../../../test/support/memory-stores.js';
import { ApiKeyRing } from './api-key-ring.js';
import { authorize } from './authorize.js';
import { StoredKeys, type StoredKey } from './stored-keys.js';

const digest = (key: string): Buffer => createHash('sha256').update(key).digest();
const keyOf = (secret: string, more: Partial<StoredKey> = {}): StoredKey => ({
  id: `key_${secret}`,
  sha256: digest(secret).toString('hex'),
  hint: 'rf_…',
  tenant: 'acme',
  scopes: ['search'],
  createdMs: 0,
  ...more,
});
const LOCAL = { host: 'localhost' };

const opened: StoredKeys[] = [];
afterEach(() => {
  for (const keys of opened.splice(0)) keys.close();
});

async function open(now = 0, keys: readonly StoredKey[] = []) {
  const store = new MemoryApiKeys();
  for (const key of keys) await store.add(key);
  let lists = 0;
  let versions = 0;
  const clock = { now };
  const counted = { version: () => ((versions += 1), store.version()), list: () => ((lists += 1), store.list()) };
  const stored = await StoredKeys.open({ store: counted, now: () => clock.now });
  opened.push(stored);
  return { store, stored, clock, lists: () => lists, versions: () => versions };
}

describe(StoredKeys, () => {
  it('knows a key until its time is over', async () => {
    const { stored, clock } = await open(1_000, [keyOf('rf_a', { expiresMs: 2_000, syncTokens: 5_000 })]);
    expect(stored.find(digest('rf_a'))).toMatchObject({ tenant: 'acme', scopes: ['search'], syncTokens: 5_000, key: { expiresMs: 2_000 } });
    clock.now = 1_999;
    expect(stored.find(digest('rf_a'))).toBeDefined();
    clock.now = 2_000;
    expect(stored.find(digest('rf_a'))).toBeUndefined();
  });

  it('reads the keys again when there are others, and not before', async () => {
    const { store, stored, lists } = await open();
    await stored.look();
    expect(lists()).toBe(1);
    await store.add(keyOf('rf_b'));
    await stored.look();
    expect(stored.find(digest('rf_b'))).toBeDefined();
    await store.remove('key_rf_b', await store.version());
    await stored.look();
    expect(stored.find(digest('rf_b'))).toBeUndefined();
    expect(lists()).toBe(3);
  });

  it('sees what was changed while it was looking', async () => {
    const store = new MemoryApiKeys();
    await store.add(keyOf('rf_a'));
    const gates: (() => void)[] = [];
    const slow = async () => {
      const version = await store.version();
      await new Promise<void>((resolve) => gates.push(resolve));
      return version;
    };
    let isSlow = false;
    const version = () => (isSlow ? slow() : store.version());
    const stored = await StoredKeys.open({ store: { version, list: () => store.list() }, now: () => 0 });
    opened.push(stored);
    stored.close();
    isSlow = true;
    const before = stored.look();
    await expect.poll(() => gates.length).toBe(1);
    await store.remove('key_rf_a', await store.version());
    isSlow = false;
    const after = stored.look();
    gates[0]!();
    await Promise.all([before, after]);
    expect(stored.find(digest('rf_a'))).toBeUndefined();
  });

  it('keeps those it knows while the store is away', async () => {
    const store = new MemoryApiKeys();
    await store.add(keyOf('rf_a'));
    let away = false;
    const version = () => (away ? Promise.reject(new Error('away')) : store.version());
    const stored = await StoredKeys.open({ store: { version, list: () => store.list() }, now: () => 0 });
    opened.push(stored);
    away = true;
    await expect(stored.look()).rejects.toThrow('away');
    await stored.lookSoon();
    expect(stored.find(digest('rf_a'))).toBeDefined();
  });
});

describe('a ring with keys that were made', () => {
  it('opens with either kind, and with no other', async () => {
    const { stored } = await open(0, [keyOf('rf_a')]);
    const ring = new ApiKeyRing([{ key: 'a-key-of-sixteen-chars', tenant: 'globex', scopes: ['jobs'] }], stored);
    expect(authorize(ring, { authorization: 'Bearer rf_a' }, 'search').tenant).toBe('acme');
    expect(authorize(ring, { authorization: 'Bearer a-key-of-sixteen-chars' }, 'jobs').tenant).toBe('globex');
    expect(() => authorize(ring, { authorization: 'Bearer rf_b' }, 'search')).toThrow(/not known/);
    expect(() => authorize(ring, {}, 'search')).toThrow(/Send an API key/);
  });

  it('is open where the configuration has none, but to a key of ours that is none any more', async () => {
    const { stored } = await open(0, [keyOf('rf_a')]);
    const ring = new ApiKeyRing([], stored);
    expect(authorize(ring, LOCAL, 'operator').tenant).toBe('default');
    expect(authorize(ring, { ...LOCAL, authorization: 'Bearer sk-anything' }, 'operator').tenant).toBe('default');
    expect(authorize(ring, { ...LOCAL, authorization: 'Bearer rf_a' }, 'search').tenant).toBe('acme');
    expect(() => authorize(ring, { ...LOCAL, authorization: 'Bearer rf_a' }, 'operator')).toThrow(/lacks the scope/);
    expect(() => authorize(ring, { ...LOCAL, authorization: 'Bearer rf_gone' }, 'search')).toThrow(/not known/);
    expect(() => authorize(ring, { host: 'evil.com', authorization: 'Bearer rf_a' }, 'search')).toThrow(/Host header/);
  });

  it('has a key looked up that may be newer than what is remembered, also a moment after a look', async () => {
    const { store, stored } = await open();
    const ring = new ApiKeyRing([{ key: 'a-key-of-sixteen-chars', tenant: 'globex', scopes: ['jobs'] }], stored);
    await stored.look();
    await store.add(keyOf('rf_new'));
    expect(ring.expect('Bearer sk-other')).toBeUndefined();
    await ring.expect('Bearer rf_new');
    expect(ring.authenticate('Bearer rf_new')).toMatchObject({ tenant: 'acme' });
    expect(ring.expect('Bearer rf_new')).toBeUndefined();
  });

  it('has every newer key looked up, also long after the last look', async () => {
    const { store, stored } = await open();
    stored.close();
    const ring = new ApiKeyRing([{ key: 'a-key-of-sixteen-chars', tenant: 'globex', scopes: ['jobs'] }], stored);
    for (const key of ['rf_one', 'rf_two', 'rf_three']) {
      await pause(300);
      await store.add(keyOf(key));
      await ring.expect(`Bearer ${key}`);
      expect(ring.authenticate(`Bearer ${key}`)).toMatchObject({ tenant: 'acme' });
    }
  });

  it('tells once which entries cannot be read', async () => {
    const told: (readonly string[])[] = [];
    const store = { version: async () => 'v', list: async () => ({ keys: [keyOf('rf_a')], unreadable: ['key_b'] }) };
    const stored = await StoredKeys.open({ store, now: () => 0, onUnreadable: (ids) => told.push(ids) });
    stored.close();
    await stored.look();
    expect(told).toEqual([['key_b']]);
    expect(stored.find(digest('rf_a'))).toBeDefined();
  });

  it('looks for no key of the configuration, whatever that begins with', async () => {
    const { stored } = await open();
    const ring = new ApiKeyRing([{ key: 'rf_of_the_configuration', tenant: 'globex', scopes: ['jobs'] }], stored);
    expect(ring.expect('Bearer rf_of_the_configuration')).toBeUndefined();
    expect(ring.authenticate('Bearer rf_of_the_configuration').tenant).toBe('globex');
  });

  it('has the store asked once for all who send keys that are not known at the same time', async () => {
    const { stored, versions } = await open();
    stored.close();
    const before = versions();
    await Promise.all(Array.from({ length: 50 }, () => stored.lookSoon()));
    expect(versions() - before).toBe(1);
  });
});
