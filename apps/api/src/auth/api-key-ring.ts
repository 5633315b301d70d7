import { createHash, timingSafeEqual } from 'node:crypto';
import { ALL_SCOPES, type ApiKey } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';
import type { NamedKey, Principal } from '../http/request-context.js';
import type { StoredKeys } from './stored-keys.js';

/** The tenant of a server without keys, which is bound to loopback. */
export const LOCAL_PRINCIPAL: Principal = { tenant: 'default', scopes: ALL_SCOPES };

/** What keys begin with that were made over the API. */
export const KEY_MARK = 'rf_';

const CONFIGURED_ID_DIGITS = 16;

const BEARER = /^Bearer +(\S+) *$/i;

export const digestOf = (key: string): Buffer => createHash('sha256').update(key, 'utf8').digest();

/** Of the digest: the same after each start, and of no use to who reads it. */
const configuredId = (digest: Buffer): string => `cfg_${digestOf(digest.toString('hex')).toString('hex').slice(0, CONFIGURED_ID_DIGITS)}`;

const tokenOf = (authorization: string | undefined): string | undefined => BEARER.exec(authorization ?? '')?.[1];

/** A key of the configuration. */
export interface ConfiguredKey {
  readonly id: string;
  readonly digest: Buffer;
  readonly principal: Principal;
}

/** The keys of the configuration, of which only the digests are kept, and those that were made over the API. */
export class ApiKeyRing {
  readonly #entries: readonly ConfiguredKey[];
  readonly #stored: Pick<StoredKeys, 'find' | 'has' | 'lookSoon'> | undefined;

  constructor(keys: readonly ApiKey[], stored?: Pick<StoredKeys, 'find' | 'has' | 'lookSoon'>) {
    this.#entries = keys.map(configuredKey);
    this.#stored = stored;
  }

  /**
   * No keys in the configuration: the bind is a loopback one, and whoever reaches it is the local user. Keys that are made over the API do not change that, or
   * the first one would lock all others out.
   */
  get isOpen(): boolean {
    return this.#entries.length === 0;
  }

  get configured(): readonly ConfiguredKey[] {
    return this.#entries;
  }

  /** Must be awaited, where it gives something, before `authenticate`: a key that is not known may be newer than what this process remembers. */
  expect(authorization: string | undefined): Promise<void> | undefined {
    const token = tokenOf(authorization);
    if (token === undefined || !token.startsWith(KEY_MARK) || this.#stored === undefined) return undefined;
    const digest = digestOf(token);
    return this.#ofConfiguration(digest) !== undefined || this.#stored.has(digest) ? undefined : this.#stored.lookSoon();
  }

  /**
   * Whose key this is.
   *
   * @throws RerankError `unauthorized`
   */
  authenticate(authorization: string | undefined): Principal {
    const token = tokenOf(authorization);
    if (token === undefined) {
      if (this.isOpen) return LOCAL_PRINCIPAL;
      throw new RerankError('unauthorized', 'Send an API key: "Authorization: Bearer <key>".');
    }
    const digest = digestOf(token);
    const found = this.#ofConfiguration(digest) ?? this.#stored?.find(digest);
    if (found !== undefined) return found;
    // Clients of other services always send some key. One of ours that was removed, or is over its time, opens nothing anywhere.
    if (this.isOpen && !token.startsWith(KEY_MARK)) return LOCAL_PRINCIPAL;
    throw new RerankError('unauthorized', 'This API key is not known here.');
  }

  /** Every entry is compared, in constant time, so that timing tells nothing about the keys. */
  #ofConfiguration(digest: Buffer): Principal | undefined {
    return this.#entries.filter((entry) => timingSafeEqual(entry.digest, digest))[0]?.principal;
  }
}

function configuredKey({ key, sha256, tenant, scopes, sync_tokens: syncTokens }: ApiKey): ConfiguredKey {
  const digest = key === undefined ? Buffer.from(sha256 ?? '', 'hex') : digestOf(key);
  const id = configuredId(digest);
  const named: NamedKey = { id, source: 'configuration' };
  return { id, digest, principal: { tenant, scopes, ...(syncTokens === undefined ? {} : { syncTokens }), key: named } };
}
