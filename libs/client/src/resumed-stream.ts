import { mayPass, RerankApiError, RerankConnectionError } from './client-errors.js';
import { sleep } from './deadline.js';
import type { RetryNotice } from './http-transport.js';

export interface ResumeOptions {
  readonly signal: AbortSignal;
  /** Longest time without a connection, in milliseconds. */
  readonly outageMs: number;
  readonly onRetry: (notice: RetryNotice) => void;
}

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 5_000;

/**
 * What `open` gives, opened again where the connection was cut or the service was away for a while, until it comes to its end. `open` goes on behind what it gave
 * last, and calls `connected` when the service has answered. A service that was never there is told at once.
 *
 * @throws what `open` throws, once it has for `outageMs`
 */
export async function* resumed<T>(
  open: (connected: () => void) => AsyncIterable<T>,
  { signal, outageMs, onRetry }: ResumeOptions,
): AsyncGenerator<T, void, undefined> {
  let wasThere = false;
  let awaySince: number | undefined;
  const connected = (): void => {
    wasThere = true;
    awaySince = undefined;
  };
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(MAX_DELAY_MS, delayMs * 2)) {
    try {
      for await (const item of open(connected)) {
        yield item;
        delayMs = FIRST_DELAY_MS;
      }
      return;
    } catch (error) {
      awaySince ??= performance.now();
      const isOver = performance.now() - awaySince + delayMs > outageMs;
      if (isOver || !mayPass(error) || (!wasThere && isRefused(error))) throw error;
      const askedMs = error instanceof RerankApiError ? (error.retryAfterS ?? 0) * 1_000 : 0;
      const waitMs = Math.max(askedMs, delayMs * (0.5 + Math.random() / 2));
      onRetry({ error, delayMs: waitMs });
      await sleep(waitMs, signal);
    }
  }
}

function isRefused(error: RetryNotice['error']): boolean {
  return error instanceof RerankConnectionError && error.refused;
}
