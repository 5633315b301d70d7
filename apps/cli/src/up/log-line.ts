const LEVELS: ReadonlyMap<number, string> = new Map([
  [10, 'trace'],
  [20, 'debug'],
  [30, 'info'],
  [40, 'warn'],
  [50, 'error'],
  [60, 'fatal'],
]);

/** Said by the prefix, the line itself, or nobody's business at a terminal. */
const HIDDEN = new Set(['level', 'time', 'process', 'message', 'msg', 'pid', 'hostname']);

const short = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** A structured log line as a person reads it: time of day, level if it is not info, message, then the fields. Others stay as they are. */
export function formatLogLine(line: string): string {
  if (!line.startsWith('{')) return line;
  let entry: Readonly<Record<string, unknown>>;
  try {
    entry = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return line;
  }
  const message = entry.message ?? entry.msg;
  if (typeof message !== 'string' || typeof entry.level !== 'number') return line;
  const time = typeof entry.time === 'string' ? entry.time.slice(11, 19) : '';
  const level = entry.level === 30 ? '' : (LEVELS.get(entry.level) ?? String(entry.level)).toUpperCase();
  const fields = Object.entries(entry)
    .filter(([key]) => !HIDDEN.has(key))
    .map(([key, value]) => `${key}=${short(value)}`);
  return [time, level, message, ...fields].filter((part) => part !== '').join(' ');
}
