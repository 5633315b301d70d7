/** A part of a path. URLs give `.` and `..` a meaning of their own, escaped or not. */
export function segment(name: string): string {
  if (name === '' || name === '.' || name === '..') throw new TypeError(`${JSON.stringify(name)} cannot be a part of an address.`);
  return encodeURIComponent(name);
}
