const DATE_TIME = /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?\s?([Zz]|[+-]\d{2}:?\d{2})?)?$/;

/** Days of a month; 0 for a month that is none. */
function daysIn(year: number, month: number): number {
  return month >= 1 && month <= 12 ? new Date(Date.UTC(year, month, 0)).getUTCDate() : 0;
}

function offsetMinutes(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z' || zone === 'z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return zone.startsWith('-') ? -minutes : minutes;
}

/**
 * Microseconds since the epoch of an RFC 3339 date, or of the shorter forms that Qdrant also reads: no zone (UTC), no seconds, no time.
 * Undefined for any other text.
 */
export function parseDateMicros(text: string): number | undefined {
  const match = DATE_TIME.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = match;
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [number, number, number, number, number, number];
  if (d < 1 || d > daysIn(y, mo) || h > 23 || mi > 59 || s > 60) return undefined;
  const seconds = Date.UTC(y, mo - 1, d, h, mi, s) / 1000 - offsetMinutes(zone) * 60;
  return seconds * 1_000_000 + Number(fraction.slice(0, 6).padEnd(6, '0'));
}
