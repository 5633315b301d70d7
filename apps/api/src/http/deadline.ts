/** Time a sync call has: what it names, cut without an error to what the server allows (SYNC_TIMEOUT_MS). */
export function timeoutOf(asked: number | undefined, longestMs: number): number {
  return Math.min(asked ?? longestMs, longestMs);
}

/** Milliseconds until a point of `performance.now()`; at least one, as a call without any time cannot be made. */
export function millisecondsUntil(deadline: number): number {
  return Math.max(1, Math.ceil(deadline - performance.now()));
}
