import { RerankError } from '../errors/index.js';
import type { RetryBackoff } from '../ports/index.js';

/**
 * Milliseconds before the attempt that follows `failures` failed ones. Half of it is chance, so that what failed together does not come
 * back together. An error that says when to come back is believed, as far as `lastMs`.
 */
export function backoffDelayMs({ firstMs, lastMs }: RetryBackoff, failures: number, error?: unknown): number {
  const wait = Math.min(firstMs * 2 ** (failures - 1), lastMs) * (0.5 + Math.random() / 2);
  const asked = error instanceof RerankError ? (error.retryAfterS ?? 0) * 1_000 : 0;
  return Math.max(wait, Math.min(asked, lastMs));
}
