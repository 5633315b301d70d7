import type { Redis } from 'ioredis';
import { AdmissionScript } from './admission-script.js';
import { LOAD_SYNC, RELEASE_SYNC, RESERVE_SYNC } from './admission-sync-scripts.js';
import { KEY_PREFIX } from './redis-connection.js';

const PREFIX = `${KEY_PREFIX}:admission`;
/** A call ends at its deadline; a process that is still alive has said so by then. */
const GRACE_MS = 5_000;

const RESERVE = new AdmissionScript(RESERVE_SYNC);
const RELEASE = new AdmissionScript(RELEASE_SYNC);
const LOAD = new AdmissionScript(LOAD_SYNC);

/** Tokens of one call. */
export interface SyncReservation {
  /** Of nobody else's. */
  readonly id: string;
  readonly tenant: string;
  readonly pool: string;
  /** A whole number. */
  readonly tokens: number;
}

export interface SyncBounds {
  /** Of the call. */
  readonly timeoutMs: number;
  /** Tokens of the tenant at most. */
  readonly limit: number;
  /** What the pool's workers score when they are busy; undefined: unknown, and nobody is refused for it. */
  readonly tokensPerS?: number | undefined;
}

export interface SyncVerdict {
  /** `tenant`: it has too much in hand; `deadline`: the pool has more to do than can be done by the call's deadline. */
  readonly outcome: 'admitted' | 'tenant' | 'deadline';
  /** Of the tenant, this call included if it was admitted. */
  readonly outstanding: number;
  /** Until all of that is expected to be released. */
  readonly resetMs: number;
  /** Until the call is expected to be admitted; 0 if it was. */
  readonly retryMs: number;
}

/** What calls ask of a pool. */
export interface SyncLoad {
  /** Of calls that wait for their answer. */
  readonly tokens: number;
  /** That calls bring, over about the last half minute, those included that were refused for want of workers. */
  readonly tokensPerS: number;
  /** Since the last call came; Infinity: none in the last hour. */
  readonly idleMs: number;
}

/**
 * Tokens of calls that wait for an answer, of all processes. A reservation is made whole or not at all, and vanishes by itself a little after the call's deadline.
 *
 * @throws RerankError `queue_unavailable`
 */
export class AdmissionSyncTokens {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async reserve(call: SyncReservation, { timeoutMs, limit, tokensPerS = 0 }: SyncBounds): Promise<SyncVerdict> {
    const values = [call.id, call.tokens, Math.ceil(timeoutMs), GRACE_MS, limit, tokensPerS];
    const [outcome, outstanding, resetMs, retryMs] = (await RESERVE.run(this.#redis, keysOf(call), values)) as [
      SyncVerdict['outcome'],
      number,
      number,
      number,
    ];
    return { outcome, outstanding, resetMs, retryMs };
  }

  /** Once is enough; again changes nothing. */
  async release(call: SyncReservation): Promise<void> {
    await RELEASE.run(this.#redis, keysOf(call), [call.id, call.tokens]);
  }

  async load(pool: string): Promise<SyncLoad> {
    const [tokens, perS, idleMs] = (await LOAD.run(this.#redis, keysOf({ tenant: '', pool }).slice(2), [])) as [number, string, number];
    return { tokens, tokensPerS: Number(perS), idleMs: idleMs < 0 ? Infinity : idleMs };
  }
}

function keysOf({ tenant, pool }: Pick<SyncReservation, 'tenant' | 'pool'>): string[] {
  const [ofTenant, ofPool] = [`${PREFIX}:tenant:${tenant}`, `${PREFIX}:pool:${pool}`];
  return [ofTenant, `${ofTenant}:meter`, ofPool, `${ofPool}:meter`];
}
