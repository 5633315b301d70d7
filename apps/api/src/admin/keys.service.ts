import { randomBytes } from 'node:crypto';
import type { ApiKeyBody, ApiKeyListBody, CreatedKeyBody, CreateKeyRequest } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { digestOf, KEY_MARK, type ApiKeyRing, type ConfiguredKey } from '../auth/api-key-ring.js';
import type { KeyListing, KeyStore, StoredKey, StoredKeys } from '../auth/stored-keys.js';

export interface KeysServiceParts {
  readonly store: KeyStore;
  /** What this process remembers of the store. */
  readonly remembered: Pick<StoredKeys, 'look'>;
  readonly ring: Pick<ApiKeyRing, 'isOpen' | 'configured'>;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
}

const SECRET_BYTES = 32;
const ID_BYTES = 8;
const HINT_START = KEY_MARK.length + 4;
const HINT_END = 4;
/** A key of an operator that is over sooner is none to rely on, unless it outlasts the one that goes. */
const LASTING_MS = 24 * 3_600_000;

/** API keys, for operators: those of the configuration are shown, others are made and removed while the fleet runs. */
export class KeysService {
  readonly #parts: KeysServiceParts;

  constructor(parts: KeysServiceParts) {
    this.#parts = parts;
  }

  /**
   * Those of the configuration, then the others, oldest first.
   *
   * @throws RerankError `queue_unavailable`
   */
  async list(): Promise<ApiKeyListBody> {
    const { store, ring } = this.#parts;
    const { keys, unreadable } = await store.list();
    const data = [...ring.configured.map(describeConfigured), ...keys.map((key) => this.#describe(key))];
    return { object: 'list', keys_required: !ring.isOpen, data, ...(unreadable.length === 0 ? {} : { unreadable: [...unreadable] }) };
  }

  /**
   * The answer is the only place where the key is ever shown.
   *
   * @throws RerankError `queue_unavailable`
   */
  async create({ tenant, scopes, name, expires_in_s: expiresInS, sync_tokens: syncTokens }: CreateKeyRequest): Promise<CreatedKeyBody> {
    const { store, remembered, now } = this.#parts;
    const key = `${KEY_MARK}${randomBytes(SECRET_BYTES).toString('base64url')}`;
    const stored: StoredKey = {
      id: `key_${randomBytes(ID_BYTES).toString('hex')}`,
      sha256: digestOf(key).toString('hex'),
      hint: `${key.slice(0, HINT_START)}…${key.slice(-HINT_END)}`,
      tenant,
      scopes: [...new Set(scopes)],
      createdMs: now(),
      ...(name === undefined ? {} : { name }),
      ...(syncTokens === undefined ? {} : { syncTokens }),
      ...(expiresInS === undefined ? {} : { expiresMs: now() + expiresInS * 1_000 }),
    };
    await store.add(stored);
    // Who is not answered now never learns the key, and it would open the service all the same. It is seen at the next look.
    await remembered.look().catch(() => undefined);
    return { ...this.#describe(stored), key };
  }

  /**
   * This process refuses the key from now on, others within a second.
   *
   * @throws RerankError `key_not_found`; `key_not_removable` for a key of the configuration and for the last lasting one of an operator; `queue_unavailable`
   */
  async remove(id: string): Promise<void> {
    const { store, remembered } = this.#parts;
    // Two operators who each remove the other's key would leave none: the second looks again.
    for (let seen: string | undefined; seen === undefined || !(await store.remove(id, seen));) {
      seen = await store.version();
      this.#assertRemovable(id, await store.list());
    }
    await remembered.look();
  }

  #assertRemovable(id: string, { keys: stored, unreadable }: KeyListing): void {
    const { ring } = this.#parts;
    if (ring.configured.some((entry) => entry.id === id))
      throw new RerankError('key_not_removable', 'This key stands in API_KEYS: take it out there, and restart the API.');
    // It opens nothing.
    if (unreadable.includes(id)) return;
    const key = stored.find((each) => each.id === id);
    if (key === undefined) throw new RerankError('key_not_found', 'There is no API key of this id; GET /v1/admin/keys lists them.');
    if (ring.isOpen || !isOperator(key) || this.#hasExpired(key)) return;
    const longEnough = Math.min(this.#parts.now() + LASTING_MS, endOf(key));
    const lasting = stored.filter((each) => each !== key && endOf(each) >= longEnough);
    const others = [...ring.configured.map(({ principal }) => principal), ...lasting];
    if (!others.some(isOperator))
      throw new RerankError(
        'key_not_removable',
        'It is the last key with the scope "operator" that is good for a day or more: soon nobody could make another. Make one first.',
      );
  }

  #hasExpired(key: StoredKey): boolean {
    return endOf(key) <= this.#parts.now();
  }

  #describe(key: StoredKey): ApiKeyBody {
    const { id, name, tenant, scopes, hint, syncTokens, createdMs, expiresMs } = key;
    return {
      object: 'api_key',
      id,
      source: 'api',
      ...(name === undefined ? {} : { name }),
      tenant,
      scopes: [...scopes],
      hint,
      ...(syncTokens === undefined ? {} : { sync_tokens: syncTokens }),
      created_at: Math.floor(createdMs / 1_000),
      ...(expiresMs === undefined ? {} : { expires_at: Math.floor(expiresMs / 1_000) }),
      expired: this.#hasExpired(key),
    };
  }
}

const endOf = ({ expiresMs = Infinity }: StoredKey): number => expiresMs;
const isOperator = ({ scopes }: Pick<StoredKey, 'scopes'>): boolean => scopes.includes('operator');

function describeConfigured({ id, principal: { tenant, scopes, syncTokens } }: ConfiguredKey): ApiKeyBody {
  return {
    object: 'api_key',
    id,
    source: 'configuration',
    tenant,
    scopes: [...scopes],
    ...(syncTokens === undefined ? {} : { sync_tokens: syncTokens }),
    expired: false,
  };
}
