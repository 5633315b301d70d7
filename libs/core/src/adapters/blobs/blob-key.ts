import { InvariantError } from '../../errors/index.js';
import type { BlobRange } from '../../ports/index.js';

/** A leading dot is for what is no object: the staging folder, and names that NFS gives to deleted files which are still open. */
const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/** @throws InvariantError */
export function checkKey(key: string): string {
  if (!key.split('/').every((segment) => SEGMENT.test(segment))) throw new InvariantError('A blob key has a segment that is not allowed.');
  return key;
}

/** @throws InvariantError */
export function checkRange(range: BlobRange): BlobRange {
  const { start, end = start } = range;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start)
    throw new InvariantError('A range of a blob is not allowed.');
  return range;
}
