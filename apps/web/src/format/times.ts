/** `3 s`, `4 min`, `2 h 05 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const total = Math.max(0, Math.round(seconds));
  if (total < 60) return `${total} s`;
  const minutes = Math.round(total / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long ago or ahead, from now. @param epochSeconds since 1970 */
export function fromNow(epochSeconds: number, nowMs: number = Date.now()): string {
  const seconds = epochSeconds - nowMs / 1_000;
  if (Math.abs(seconds) < 2) return 'now';
  return seconds < 0 ? `${duration(-seconds)} ago` : `in ${duration(seconds)}`;
}

/** In the reader's zone and manner, to the second. */
export function moment(epochSeconds: number): string {
  return new Date(epochSeconds * 1_000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}
