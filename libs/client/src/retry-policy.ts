import { RerankApiError, RerankConnectionError } from './client-errors.js';

/** What the decision needs to know of a request. */
export interface RetryCase {
  readonly error: unknown;
  /** Retries already made. */
  readonly retried: number;
  /** Most retries. */
  readonly retries: number;
  /** Doing it twice is doing it once. */
  readonly idempotent: boolean;
  /** The body can be sent again. */
  readonly replayable: boolean;
  /** Milliseconds until the deadline. */
  readonly remainingMs: number;
  /** Uniform in [0, 1). */
  readonly random: number;
}

const BASE_DELAY_MS = 200;
const MAX_DELAY_MS = 5_000;

/**
 * Milliseconds to wait before the next attempt, or undefined where there is none.
 *
 * A 429 or 503 with `Retry-After` was refused before anything was done, so any request whose body can be sent again is retried. A broken
 * connection and 502 or 503 without that header leave open what was done: idempotent requests only. A refused connection is not retried:
 * nobody is there, and saying so at once is better. Nothing is retried past the deadline.
 */
export function retryDelayMs(request: RetryCase): number | undefined {
  if (request.retried >= request.retries || !request.replayable) return undefined;
  const delayMs = wantedDelayMs(request);
  return delayMs !== undefined && delayMs < request.remainingMs ? delayMs : undefined;
}

function wantedDelayMs({ error, idempotent, retried, random }: RetryCase): number | undefined {
  const backoffMs = Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** retried) * (0.5 + random / 2);
  if (error instanceof RerankConnectionError) return idempotent && !error.refused ? backoffMs : undefined;
  if (!(error instanceof RerankApiError)) return undefined;
  const refused = error.status === 429 || error.status === 503;
  if (refused && error.retryAfterS !== undefined) return Math.max(error.retryAfterS * 1_000, backoffMs);
  return idempotent && (error.status === 502 || error.status === 503) ? backoffMs : undefined;
}
