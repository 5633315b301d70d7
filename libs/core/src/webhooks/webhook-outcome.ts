import { RerankError } from '../errors/index.js';
import type { RetryBackoff } from '../ports/index.js';
import type { WebhookAnswer } from './post-once.js';

/** `reason` continues the sentence "The webhook …" and may be shown to the tenant: it names no address. */
export type WebhookOutcome =
  | { readonly kind: 'delivered'; readonly status: number }
  | { readonly kind: 'retry'; readonly reason: string; readonly status?: number; readonly retryAfterS?: number }
  | { readonly kind: 'refused'; readonly reason: string; readonly status?: number };

/** Five seconds to an hour: with `WEBHOOK_RETRIES`, a receiver may be away for about a day. */
export const WEBHOOK_BACKOFF: RetryBackoff = { firstMs: 5_000, lastMs: 3_600_000 };
/** Attempts after the first. The waits add up to 24.4 hours at most, and to half of that at least. */
export const WEBHOOK_RETRIES = 33;

/** Time-out, conflict (another attempt of ours may be in progress), too early, too many. */
const TRANSIENT = new Set([408, 409, 425, 429]);

export function outcomeOfAnswer({ status, retryAfter }: WebhookAnswer, nowMs: number): WebhookOutcome {
  if (status >= 200 && status < 300) return { kind: 'delivered', status };
  const reason = `answered ${status}`;
  if (status < 500 && !TRANSIENT.has(status)) return { kind: 'refused', reason, status };
  const retryAfterS = retryAfter === undefined ? undefined : secondsOf(retryAfter, nowMs);
  return { kind: 'retry', reason, status, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
}

/** What went wrong without an answer, told by the error's code alone: its message may hold addresses. */
export function outcomeOfFault(error: unknown): WebhookOutcome {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  return { kind: 'retry', reason: reasonOfCode(code) };
}

/**
 * Turns an outcome into what the queue understands.
 *
 * @throws RerankError `webhook_failed`, which is retried, or `webhook_refused`, which is not
 */
export function assertDelivered(outcome: WebhookOutcome): void {
  if (outcome.kind === 'delivered') return;
  const detail = `The webhook ${outcome.reason}.`;
  if (outcome.kind === 'refused') throw new RerankError('webhook_refused', detail);
  throw new RerankError('webhook_failed', detail, outcome.retryAfterS === undefined ? {} : { retryAfterS: outcome.retryAfterS });
}

const DNS_CODES = new Set(['ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'EREFUSED', 'ETIMEOUT', 'EAI_AGAIN', 'EBADNAME', 'EFORMERR', 'ECANCELLED']);

function reasonOfCode(code: string): string {
  if (DNS_CODES.has(code)) return 'has a host name that no name server gives an address for';
  if (code === 'ECONNREFUSED') return 'was refused a connection';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'was cut off before an answer';
  if (code.startsWith('HPE_')) return 'was answered by something that is not HTTP';
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ALTNAME/.test(code)) return 'found a TLS certificate that cannot be trusted';
  if (/SSL|TLS|EPROTO/.test(code)) return 'found no common ground in TLS';
  return 'could not be connected';
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3), at most the longest wait; `undefined` where it is neither. */
function secondsOf(retryAfter: string, nowMs: number): number | undefined {
  const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) : Math.ceil((Date.parse(retryAfter) - nowMs) / 1_000);
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), WEBHOOK_BACKOFF.lastMs / 1_000);
}
