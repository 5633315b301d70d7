import { RerankError } from '@rerank-fleet/core/errors';
import { describe, expect, it } from 'vitest';
import { MemoryApiKeys } from '../../../../test/support/memory-stores.js';
import { ApiKeyRing } from '../auth/api-key-ring.js';
import { StoredKeys } from '../auth/stored-keys.js';
import { KeysService } from './keys.service.js';

const CONFIGURED = [{ key: 'a-key-of-sixteen-chars', tenant: 'globex', scopes: ['search' as const] }];

async function start(configured: ConstructorParameters<typeof ApiKeyRing>[0] = CONFIGURED) {
  const clock = { now: 1_000_000 };
  const now = () => clock.now;
  const store = new MemoryApiKeys();
  const remembered = await StoredKeys.open({ store, now });
  remembered.close();
  const ring = new ApiKeyRing(configured, remembered);
  return { clock, ring, store, service: new KeysService({ store, remembered, ring, now }) };
}

describe(KeysService, () => {
  it('lists a key as expired when its time is over, and refuses it', async () => {
    const { clock, ring, service } = await start();
    const { key, id, expires_at } = await service.create({ tenant: 'acme', scopes: ['search', 'search'], expires_in_s: 60 });
    expect(expires_at).toBe(1_060);
    expect(ring.authenticate(`Bearer ${key}`)).toEqual({
      tenant: 'acme',
      scopes: ['search'],
      key: { id, source: 'api', expiresMs: 1_060_000 },
    });
    clock.now += 60_000;
    expect((await service.list()).data.at(-1)).toMatchObject({ id, expired: true });
    expect(() => ring.authenticate(`Bearer ${key}`)).toThrow(/not known/);
    await service.remove(id);
    expect((await service.list()).data).toHaveLength(1);
  });

  it('shows a key that was made, though the store is away right after', async () => {
    const { ring, store, service } = await start();
    const version = store.version.bind(store);
    store.version = () => Promise.reject(new RerankError('queue_unavailable', 'Redis is away.'));
    const { key } = await service.create({ tenant: 'acme', scopes: ['search'] });
    store.version = version;
    await ring.expect(`Bearer ${key}`);
    expect(ring.authenticate(`Bearer ${key}`)).toMatchObject({ tenant: 'acme' });
  });

  it('does not count an expired key as one of an operator that is left', async () => {
    const { clock, service } = await start();
    const last = await service.create({ tenant: 'ops', scopes: ['operator'] });
    const brief = await service.create({ tenant: 'ops', scopes: ['operator'], expires_in_s: 60 });
    clock.now += 60_000;
    await expect(service.remove(last.id)).rejects.toMatchObject({ code: 'key_not_removable' });
    await expect(service.remove(brief.id)).resolves.toBeUndefined();
  });

  it('does not count a key that is soon over as one of an operator that is left, unless it outlasts the one that goes', async () => {
    const { clock, service } = await start();
    const last = await service.create({ tenant: 'ops', scopes: ['operator'] });
    const brief = await service.create({ tenant: 'ops', scopes: ['operator'], expires_in_s: 24 * 3_600 - 1 });
    await expect(service.remove(last.id)).rejects.toMatchObject({ code: 'key_not_removable' });
    await service.create({ tenant: 'ops', scopes: ['operator'], expires_in_s: 24 * 3_600 });
    await expect(service.remove(last.id)).resolves.toBeUndefined();
    clock.now += 60_000;
    // Both are soon over now; the one that is left is so later.
    await expect(service.remove(brief.id)).resolves.toBeUndefined();
  });

  it('leaves one key of an operator where two are removed at the same time', async () => {
    const { service } = await start();
    const [one, other] = [
      await service.create({ tenant: 'ops', scopes: ['operator'] }),
      await service.create({ tenant: 'ops', scopes: ['operator'] }),
    ];
    const outcomes = await Promise.allSettled([service.remove(one.id), service.remove(other.id)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'key_not_removable' } });
    expect((await service.list()).data.map(({ id }) => id)).toContain(other.id);
  });

  it('removes any key where none is needed', async () => {
    const { service } = await start([]);
    const { id } = await service.create({ tenant: 'ops', scopes: ['operator'] });
    await service.remove(id);
    expect(await service.list()).toEqual({ object: 'list', keys_required: false, data: [] });
  });

  it('names a key of the configuration the same after each start, and by nothing of it', async () => {
    const [one, other] = [await start(), await start()];
    const [listed] = (await one.service.list()).data;
    expect(listed).toEqual({
      object: 'api_key',
      id: expect.stringMatching(/^cfg_[0-9a-f]{16}$/) as string,
      source: 'configuration',
      tenant: 'globex',
      scopes: ['search'],
      expired: false,
    });
    expect((await other.service.list()).data[0]?.id).toBe(listed!.id);
  });
});
