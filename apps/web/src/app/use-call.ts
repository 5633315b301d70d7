import { RerankApiError } from '@rerank-fleet/client';
import { useEffect, useRef, useState } from 'preact/hooks';

/** What was asked of the service, as far as it is known. */
export interface Called<T> {
  /** Of the last call that went well, also while or after another fails. */
  readonly value: T | undefined;
  readonly error: unknown;
  readonly loading: boolean;
  readonly reload: () => void;
}

export interface CallPlan {
  /** Ask again so many milliseconds after each answer, while the page is seen. */
  readonly everyMs?: number;
}

/** Asks when it is first shown and whenever one of `keys` changes; an older answer never replaces a newer one. */
export function useCall<T>(call: (signal: AbortSignal) => Promise<T>, keys: readonly unknown[], { everyMs }: CallPlan = {}): Called<T> {
  const [round, setRound] = useState(0);
  const [state, setState] = useState<{ value?: T; error?: unknown; loading: boolean }>({ loading: true });
  const key = JSON.stringify(keys);
  const shownKey = useRef(key);
  useEffect(() => {
    const stop = new AbortController();
    const isOther = shownKey.current !== key;
    shownKey.current = key;
    setState((before) => (isOther ? { loading: true } : { ...before, loading: true }));
    void call(stop.signal).then(
      (value) => {
        if (!stop.signal.aborted) setState({ value, loading: false });
      },
      (error: unknown) => {
        if (!stop.signal.aborted) setState((before) => ({ ...before, error, loading: false }));
      },
    );
    return () => stop.abort();
  }, [key, round]);
  const waits = state.loading || isFinal(state.error);
  useRepeat(() => setRound((count) => count + 1), waits ? undefined : everyMs, round);
  return { value: state.value, error: state.error, loading: state.loading, reload: () => setRound((count) => count + 1) };
}

/** Asking again would be refused again. */
const isFinal = (error: unknown): boolean => error instanceof RerankApiError && [401, 403, 404].includes(error.status);

function useRepeat(again: () => void, everyMs: number | undefined, round: number): void {
  useEffect(() => {
    if (everyMs === undefined) return undefined;
    const timer = setTimeout(function wait() {
      if (document.visibilityState === 'visible') again();
      else document.addEventListener('visibilitychange', again, { once: true });
    }, everyMs);
    return () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', again);
    };
  }, [everyMs, round]);
}
