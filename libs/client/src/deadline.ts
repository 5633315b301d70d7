import { RerankTimeoutError } from './client-errors.js';

/** Timers take no more, and end at once if they are given more: 24 days are no bound that matters. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The end of a call: the caller's signal or the time it may take, whichever is first. Dispose it when the call is over. */
export class Deadline {
  readonly signal: AbortSignal;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #endsAt: number;

  /** @param timeoutMs milliseconds from now; Infinity for none */
  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    const controller = new AbortController();
    this.signal = signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
    this.#endsAt = performance.now() + timeoutMs;
    if (timeoutMs <= LONGEST_TIMER_MS) this.#timer = setTimeout(() => controller.abort(new RerankTimeoutError(timeoutMs)), timeoutMs);
  }

  get remainingMs(): number {
    return this.#endsAt - performance.now();
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }
}

/** @throws the signal's reason as soon as it is aborted */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', fail);
      resolve();
    }, ms);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
