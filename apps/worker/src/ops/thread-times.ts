/** When a thread worked, as it says itself. */
export interface ThreadTimes {
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly endedAt: number;
}

export interface Stretch {
  /** Of `performance.now()`, in this thread. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Where that lies in this thread's time. A wall clock that was set between the starts of two threads puts them apart; work never leaves the call that it is of. */
export function stretchWithin(call: Stretch, { startedAt, endedAt }: ThreadTimes): Stretch {
  const lengthMs = Math.min(Math.max(0, endedAt - startedAt), call.endedAt - call.startedAt);
  const start = Math.min(Math.max(startedAt - performance.timeOrigin, call.startedAt), call.endedAt - lengthMs);
  return { startedAt: start, endedAt: start + lengthMs };
}
