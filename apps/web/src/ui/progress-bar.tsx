import type { JSX } from 'preact';

export interface ProgressBarProps {
  readonly label: string;
  readonly done: number;
  /** Undefined where nobody knows. */
  readonly total: number | undefined;
}

export function ProgressBar({ label, done, total }: ProgressBarProps): JSX.Element {
  const isKnown = total !== undefined && total > 0;
  return <progress aria-label={label} max={isKnown ? total : 1} {...(isKnown ? { value: Math.min(done, total) } : {})} />;
}
