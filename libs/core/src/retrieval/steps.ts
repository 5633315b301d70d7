/**
 * Work in small steps. It yields wherever it may rest, after some milliseconds at most, so that one long text does not hold a thread; what it returns
 * does not depend on where it rested.
 */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Takes steps to their end, at once or with rests between. */
export type Pace = <T>(steps: Steps<T>) => T | Promise<T>;

/** Without a rest. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
