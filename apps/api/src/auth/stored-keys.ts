import { setTimeout as pause } from 'node:timers/promises';
import type { Scope } from '@rerank-fleet/core/config';
import type { Principal } from '../http/request-context.js';

/** A key that was made over the API, as it is kept: never the key itself. */
export interface StoredKey {
  readonly id: string;
  /** Lower-case hexadecimal digits. */
  readonly sha256: string;
  /** Its first and last characters. */
  readonly hint: string;
  readonly name?: string;
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  readonly syncTokens?: number;
  /** Epoch milliseconds of Redis TIME. */
  readonly createdMs: number;
  readonly expiresMs?: number;
}

export interface KeyListing {
  /** Oldest first. */
  readonly keys: readonly StoredKey[];
  /** Ids of entries that are damaged, or of another release's form. They open nothing, and can be removed. */
  readonly unreadable: readonly string[];
}

export interface KeyStore {
  add(key: StoredKey): Promise<void>;
  /** False, changing nothing, if the version is another one than `seen`: what was decided by the keys of then may be wrong now. */
  remove(id: string, seen: string): Promise<boolean>;
  list(): Promise<KeyListing>;
  /** Another one than before: there may be other keys. */
  version(): Promise<string>;
}

/** How long another process may go on taking a key that was removed. */
export const KEYS_REMEMBERED_MS = 1_000;
/** Unknown keys have the store asked no more often. */
const LOOK_AGAIN_MS = 250;

export interface StoredKeysParts {
  readonly store: Pick<KeyStore, 'list' | 'version'>;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
  readonly onFault?: (error: unknown) => void;
  /** Told when the keys are read, once for each change of them. */
  readonly onUnreadable?: (ids: readonly string[]) => void;
}

/** The keys that were made over the API, as this process remembers them. While the store is away the last ones known hold. */
export class StoredKeys {
  readonly #parts: StoredKeysParts;
  #byDigest: ReadonlyMap<string, StoredKey> = new Map();
  #version: string | undefined;
  #lookedAt = -Infinity;
  #looking: Promise<void> | undefined;
  #soon: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(parts: StoredKeysParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `queue_unavailable` */
  static async open(parts: StoredKeysParts): Promise<StoredKeys> {
    const keys = new StoredKeys(parts);
    await keys.look();
    keys.#timer = setInterval(() => void keys.look().catch((error: unknown) => parts.onFault?.(error)), KEYS_REMEMBERED_MS);
    keys.#timer.unref();
    return keys;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Whose key this is; undefined for one that is not known, or whose time is over. The digest is of a secret, so looking it up tells nothing. */
  find(digest: Buffer): Principal | undefined {
    const key = this.#byDigest.get(digest.toString('hex'));
    if (key === undefined || (key.expiresMs ?? Infinity) <= this.#parts.now()) return undefined;
    const { id, name, tenant, scopes, syncTokens, expiresMs } = key;
    return {
      tenant,
      scopes,
      ...(syncTokens === undefined ? {} : { syncTokens }),
      key: { id, source: 'api', ...(name === undefined ? {} : { name }), ...(expiresMs === undefined ? {} : { expiresMs }) },
    };
  }

  has(digest: Buffer): boolean {
    return this.#byDigest.has(digest.toString('hex'));
  }

  /**
   * Another process may have made the key a moment ago: sees all that was changed before. However many ask, the store is asked every {@link LOOK_AGAIN_MS} at most, and they wait
   * for that.
   */
  async lookSoon(): Promise<void> {
    this.#soon ??= this.#lookAgain();
    await this.#soon;
  }

  async #lookAgain(): Promise<void> {
    const waitMs = this.#lookedAt + LOOK_AGAIN_MS - performance.now();
    // Also where there is nothing to wait for: `#soon` must be there before it is taken away.
    await pause(Math.max(0, Math.ceil(waitMs)));
    // Who comes from now on may have a key that is newer than what is read now.
    this.#soon = undefined;
    await this.look().catch((error: unknown) => this.#parts.onFault?.(error));
  }

  /** Sees all that was changed before. Calls at the same time become one, or two. */
  async look(): Promise<void> {
    // One that runs may have read what was there before.
    await this.#looking?.catch(() => undefined);
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    await this.#looking;
  }

  async #look(): Promise<void> {
    this.#lookedAt = performance.now();
    const { store } = this.#parts;
    // Read before the keys: what changes between the two is seen the next time.
    const version = await store.version();
    if (version === this.#version) return;
    const { keys, unreadable } = await store.list();
    this.#byDigest = new Map(keys.map((key) => [key.sha256, key]));
    this.#version = version;
    if (unreadable.length > 0) this.#parts.onUnreadable?.(unreadable);
  }
}
