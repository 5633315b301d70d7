/** Exponential gaps with a mean of `meanMs`: open-loop arrivals that nobody's slowness holds back. Milliseconds from the start. */
export function poissonArrivals(count: number, meanMs: number, seed: number): number[] {
  const random = parkMiller(seed);
  let at = 0;
  return Array.from({ length: count }, () => (at += -Math.log(random()) * meanMs));
}

/** Times in an ideal queue with one server, first come, first served: Lindley's recursion (1952), W' = max(0, W + S − gap); waiting and service together. */
export function lindleySojourns(arrivals: readonly number[], services: readonly number[]): number[] {
  let wait = 0;
  return arrivals.map((at, position) => {
    if (position > 0) wait = Math.max(0, wait + services[position - 1]! - (at - arrivals[position - 1]!));
    return wait + services[position]!;
  });
}

/** The minimal standard generator (Park and Miller 1988, multiplier of 1993): the same gaps for the same seed; uniform in (0, 1). */
function parkMiller(seed: number): () => number {
  let state = 1 + (seed % 2_147_483_646);
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
