import type { Bm25Constants } from '@rerank-fleet/core/domain';
import { Bm25Encoder } from '@rerank-fleet/core/retrieval';
import { LRUCache } from 'lru-cache';

/** Each remembers some megabytes of stems, and tenants choose their constants. */
const MOST_ENCODERS = 8;

/** Versions with the same constants share an encoder. */
export class Bm25Encoders {
  readonly #encoders = new LRUCache<string, Bm25Encoder>({ max: MOST_ENCODERS });

  of(constants: Bm25Constants): Bm25Encoder {
    const key = JSON.stringify(constants);
    const encoder = this.#encoders.get(key) ?? new Bm25Encoder(constants);
    this.#encoders.set(key, encoder);
    return encoder;
  }
}
