import { useEffect, useRef, useState } from 'preact/hooks';

/** Something that the reader has done by a button. */
export interface Action<Arguments extends readonly unknown[]> {
  readonly run: (...args: Arguments) => void;
  readonly busy: boolean;
  readonly error: unknown;
  /** Ends what runs. */
  readonly stop: () => void;
}

/** A newer run ends the one before; leaving the page ends all. */
export function useAction<Arguments extends readonly unknown[]>(
  action: (signal: AbortSignal, ...args: Arguments) => Promise<void>,
): Action<Arguments> {
  const [state, setState] = useState<{ busy: boolean; error?: unknown }>({ busy: false });
  const current = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => current.current?.abort(), []);
  const run = (...args: Arguments): void => {
    current.current?.abort();
    const stop = new AbortController();
    current.current = stop;
    setState({ busy: true });
    void action(stop.signal, ...args).then(
      () => {
        if (!stop.signal.aborted) setState({ busy: false });
      },
      (error: unknown) => {
        if (!stop.signal.aborted) setState({ busy: false, error });
      },
    );
  };
  const stop = (): void => {
    current.current?.abort();
    setState({ busy: false });
  };
  return { run, busy: state.busy, error: state.error, stop };
}
