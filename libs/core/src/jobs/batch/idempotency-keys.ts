import { createHash } from 'node:crypto';
import { z } from 'zod';
import { InvariantError } from '../../errors/index.js';
import type { BlobStore } from '../../ports/index.js';
import { idempotencyKey } from './batch-layout.js';

const claimSchema = z.object({ v: z.literal(1), job: z.string(), body_sha256: z.string() });

/** What a key stands for from its first use on: a job, which may still be on its way, and the body that was sent for it. */
export type IdempotencyClaim = Omit<z.infer<typeof claimSchema>, 'v'>;

/** A job is removed once. */
const ATTEMPTS = 3;

export const hashOfKey = (key: string): string => createHash('sha256').update(key, 'utf8').digest('hex');

/** Keys of a tenant that stand for jobs. They are blobs, so they outlive Redis, and go with their job. */
export class IdempotencyKeys {
  readonly #blobs: BlobStore;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  async find(tenant: string, key: string): Promise<IdempotencyClaim | undefined> {
    return IdempotencyKeys.parse(await this.#blobs.get(idempotencyKey(tenant, hashOfKey(key))));
  }

  static parse(text: Buffer | undefined): IdempotencyClaim | undefined {
    return text === undefined ? undefined : claimSchema.parse(JSON.parse(text.toString('utf8')));
  }

  /** Makes the key stand for the job unless it stands for one already. Returns what is true from now on. */
  async claim(tenant: string, key: string, claim: IdempotencyClaim): Promise<IdempotencyClaim> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      if (await this.#blobs.create(idempotencyKey(tenant, hashOfKey(key)), JSON.stringify({ v: 1, ...claim }))) return claim;
      const kept = await this.find(tenant, key);
      if (kept !== undefined) return kept;
      // It went with its job, between the two.
    }
    throw new InvariantError('An idempotency key is there and cannot be read.');
  }
}
