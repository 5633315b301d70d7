import { describe, expect, it } from 'vitest';
import { MemoryBlobStore } from '../../../../../test/support/memory-stores.js';
import { IdempotencyKeys } from './idempotency-keys.js';

const claim = (job: string) => ({ job, body_sha256: '0' });

/** Another process removes the job of a key right after the key was found to be taken. */
class VanishingKey extends MemoryBlobStore {
  override async create(key: string, body: string): Promise<boolean> {
    const isFirst = await super.create(key, body);
    if (!isFirst) await this.delete(key);
    return isFirst;
  }
}

describe(IdempotencyKeys, () => {
  it('stands for what was claimed first', async () => {
    const keys = new IdempotencyKeys(new MemoryBlobStore());
    expect(await keys.claim('acme', 'k', claim('job_1'))).toEqual(claim('job_1'));
    expect(await keys.claim('acme', 'k', claim('job_2'))).toMatchObject(claim('job_1'));
  });

  it('is free again where its job is removed while it is claimed', async () => {
    const keys = new IdempotencyKeys(new VanishingKey());
    await keys.claim('acme', 'k', claim('job_1'));
    expect(await keys.claim('acme', 'k', claim('job_2'))).toEqual(claim('job_2'));
  });
});
