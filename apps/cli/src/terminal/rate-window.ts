/** Events a second over the last while: a job's speed changes with the fleet. */
export class RateWindow {
  readonly #windowMs: number;
  readonly #now: () => number;
  readonly #points: { readonly at: number; readonly count: number }[] = [];

  /** @param now milliseconds */
  constructor(windowMs = 20_000, now: () => number = () => performance.now()) {
    this.#windowMs = windowMs;
    this.#now = now;
  }

  /** Takes how many there are by now; resolves how many come a second, undefined while that is not known. */
  add(count: number): number | undefined {
    const at = this.#now();
    this.#points.push({ at, count });
    while (this.#points.length > 2 && this.#points[1]!.at <= at - this.#windowMs) this.#points.shift();
    const first = this.#points[0]!;
    const seconds = (at - first.at) / 1_000;
    return seconds < 0.5 ? undefined : (count - first.count) / seconds;
  }
}
