import type { JSX } from 'preact';
import { fromNow, moment } from '../format/times.js';

/** A time as it is said, with the exact one under the pointer. @param at epoch seconds */
export function When({ at }: { at: number | undefined }): JSX.Element {
  if (at === undefined) return <>–</>;
  return (
    <time dateTime={new Date(at * 1_000).toISOString()} title={moment(at)}>
      {fromNow(at)}
    </time>
  );
}
