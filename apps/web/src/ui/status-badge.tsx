import type { JSX } from 'preact';

type Tone = 'good' | 'busy' | 'bad' | 'warn' | '';

const TONES: Readonly<Record<string, Tone>> = {
  completed: 'good',
  succeeded: 'good',
  ready: 'good',
  promoted: 'good',
  running: 'good',
  in_progress: 'busy',
  finalizing: 'busy',
  building: 'busy',
  validating: 'busy',
  failed: 'bad',
  errored: 'bad',
  expired: 'warn',
  cancelling: 'warn',
  draining: 'warn',
  paused: 'warn',
  rolled_back: 'warn',
};

/** A state as the service names it. */
export function StatusBadge({ status }: { status: string }): JSX.Element {
  return <span class={`badge ${TONES[status] ?? ''}`}>{status.replaceAll('_', ' ')}</span>;
}
