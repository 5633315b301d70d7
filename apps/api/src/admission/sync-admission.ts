import { randomUUID } from 'node:crypto';
import {
  estimateCall,
  type EstimatedRequest,
  type FleetView,
  type ModelPin,
  type RouteChoice,
  type SearchedCorpus,
} from '@rerank-fleet/core/requests';
import { inSpan, noteOnSpan } from '@rerank-fleet/core/observability';
import type { RequestContext } from '../http/request-context.js';
import { AdmissionError } from './admission-error.js';
import type { FleetSpeed } from './fleet-speed.js';

/** Tokens of one call. */
export interface SyncReservation {
  readonly id: string;
  readonly tenant: string;
  readonly pool: string;
  readonly tokens: number;
}

export interface SyncBounds {
  readonly timeoutMs: number;
  /** Tokens of the tenant at most. */
  readonly limit: number;
  readonly tokensPerS: number | undefined;
}

export interface SyncVerdict {
  readonly outcome: 'admitted' | 'tenant' | 'deadline';
  /** Tokens of the tenant's calls. */
  readonly outstanding: number;
  readonly resetMs: number;
  readonly retryMs: number;
}

/** Tokens that calls have reserved, of all processes. */
export interface SyncTokens {
  reserve(call: SyncReservation, bounds: SyncBounds): Promise<SyncVerdict>;
  release(call: SyncReservation): Promise<void>;
}

export interface SyncAdmissionParts {
  readonly tokens: SyncTokens;
  readonly fleet: Pick<FleetView, 'pools'>;
  readonly speed: Pick<FleetSpeed, 'tokensPerS'>;
  /** Tokens of a tenant at most. */
  readonly limit: number;
}

/** A call that wants to be run. */
export interface SyncCall {
  readonly context: Pick<RequestContext, 'tenant' | 'syncTokens' | 'noteRateLimit'>;
  readonly route: RouteChoice;
  readonly work: EstimatedRequest;
  /** Of a search. */
  readonly corpus?: SearchedCorpus;
  readonly timeoutMs: number;
}

/** Lets calls through that fit into their tenant's budget and can be done in time; turns others away at once. */
export class SyncAdmission {
  readonly #parts: SyncAdmissionParts;

  constructor(parts: SyncAdmissionParts) {
    this.#parts = parts;
  }

  /**
   * Runs admitted work. What is reserved for it is released when it ends, in whatever way; its answer does not wait for that.
   *
   * @throws RerankError `overloaded`, `payload_too_large`, `queue_unavailable`; what the work throws
   */
  async run<T>(call: SyncCall, work: () => Promise<T>): Promise<T> {
    const reservation = await inSpan('admit', () => this.#reserve(call), { attributes: { 'rerank.pool': call.route.pool } });
    try {
      return await work();
    } finally {
      // One that is not heard vanishes a little after the deadline.
      this.#parts.tokens.release(reservation).catch(() => undefined);
    }
  }

  async #reserve({ context, route, work, corpus, timeoutMs }: SyncCall): Promise<SyncReservation> {
    const { tokens: ledger, speed } = this.#parts;
    const limit = Math.min(this.#parts.limit, context.syncTokens ?? Infinity);
    const { tokens } = estimateCall(work, corpus, await this.#longestPair(route.models));
    noteOnSpan({ 'rerank.tokens.estimated': tokens });
    if (tokens > limit)
      throw AdmissionError.never(
        'call_tokens',
        `The call has about ${tokens} tokens; ${describeLimit(limit, this.#parts.limit)}. Send fewer or shorter documents in one call, or submit a job.`,
      );
    const reservation = { id: randomUUID(), tenant: context.tenant, pool: route.pool, tokens };
    const bounds = { timeoutMs, limit, tokensPerS: speed.tokensPerS(route.pool) };
    const verdict = await ledger.reserve(reservation, bounds).catch((error: unknown) => {
      // A Redis that only hung makes the reservation yet, and then releases it.
      ledger.release(reservation).catch(() => undefined);
      throw error;
    });
    context.noteRateLimit?.({ limit, remaining: Math.max(0, limit - verdict.outstanding), resetS: Math.ceil(verdict.resetMs / 1_000) });
    if (verdict.outcome !== 'admitted') throw refusal(verdict, { tokens, limit, timeoutMs });
    return reservation;
  }

  /** What models cut off costs nothing. */
  async #longestPair(pins: readonly ModelPin[]): Promise<number> {
    const pools = await this.#parts.fleet.pools();
    const lengths = pins.map(({ sha256 }) =>
      Math.max(...pools.flatMap(({ models }) => models.filter((model) => model.sha256 === sha256).map(({ maxLength }) => maxLength))),
    );
    const longest = Math.max(...lengths);
    return longest > 0 ? longest : Infinity;
  }
}

const describeLimit = (limit: number, ofTenant: number): string =>
  limit < ofTenant
    ? `with this key ${limit} are allowed in calls at once (sync_tokens)`
    : `a tenant may have ${limit} in calls at once (TENANT_SYNC_TOKENS)`;

interface RefusedCall {
  readonly tokens: number;
  readonly limit: number;
  readonly timeoutMs: number;
}

function refusal({ outcome, outstanding, retryMs }: SyncVerdict, { tokens, limit, timeoutMs }: RefusedCall): AdmissionError {
  if (outcome === 'tenant')
    return AdmissionError.later(
      'tenant_tokens',
      `Your calls in hand have about ${outstanding} tokens, and this one ${tokens}; ${limit} at once are allowed. Try again later, or submit a job.`,
      retryMs,
    );
  return AdmissionError.later(
    'deadline',
    `The workers have more to do than they can within ${timeoutMs} ms. Try again later, allow more time by timeout_ms, or submit a job.`,
    retryMs,
  );
}
