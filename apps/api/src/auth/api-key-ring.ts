import { createHash, timingSafeEqual } from 'node:crypto';
import { ALL_SCOPES, type ApiKey } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';
import type { Principal } from '../http/request-context.js';

/** The tenant of a server without keys, which is bound to loopback. */
export const LOCAL_PRINCIPAL: Principal = { tenant: 'default', scopes: ALL_SCOPES };

const BEARER = /^Bearer +(\S+) *$/i;

const digestOf = (key: string): Buffer => createHash('sha256').update(key, 'utf8').digest();

/** The keys of the configuration. Only their digests are kept. */
export class ApiKeyRing {
  readonly #entries: readonly { readonly digest: Buffer; readonly principal: Principal }[];

  constructor(keys: readonly ApiKey[]) {
    this.#entries = keys.map(({ key, sha256, tenant, scopes }) => ({
      digest: key === undefined ? Buffer.from(sha256 ?? '', 'hex') : digestOf(key),
      principal: { tenant, scopes },
    }));
  }

  /** No keys: the bind is a loopback one, and whoever reaches it is the local user. */
  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /**
   * Whose key this is. Every entry is compared, in constant time, so that timing tells nothing about the keys.
   *
   * @throws RerankError `unauthorized`
   */
  authenticate(authorization: string | undefined): Principal {
    if (this.isEmpty) return LOCAL_PRINCIPAL;
    const token = BEARER.exec(authorization ?? '')?.[1];
    if (token === undefined) throw new RerankError('unauthorized', 'Send an API key: "Authorization: Bearer <key>".');
    const digest = digestOf(token);
    const found = this.#entries.filter((entry) => timingSafeEqual(entry.digest, digest))[0];
    if (found === undefined) throw new RerankError('unauthorized', 'This API key is not known here.');
    return found.principal;
  }
}
