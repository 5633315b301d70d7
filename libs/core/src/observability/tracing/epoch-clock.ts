/** A wall clock that was set; less is what the two clocks drift apart by themselves. */
const JUMP_MS = 100;

let offsetMs = performance.timeOrigin;

/** Epoch milliseconds of a reading of `performance.now()`: finer than `Date.now()`, and right again after the wall clock was set. */
export function epochOf(monotonicMs: number): number {
  const drift = Date.now() - (performance.now() + offsetMs);
  if (Math.abs(drift) > JUMP_MS) offsetMs += drift;
  return offsetMs + monotonicMs;
}
