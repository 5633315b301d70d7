import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';

/** A lock between processes. The kernel frees it when its holder ends, however it ends: nothing is ever stale. */
export interface FileLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Takes the lock if nobody has it. It is an exclusive transaction on an empty SQLite database, which is a POSIX record lock that is also
 * safe between several holders in one process.
 *
 * @returns undefined if another holds it
 */
export function tryLock(path: string): FileLock | undefined {
  mkdirSync(dirname(path), { recursive: true });
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once, when the lock is another's. */
  readonly onWait?: (() => void) | undefined;
}

/** Runs `work` while holding the lock, waiting for it first. Rejects with the signal's reason when aborted. */
export async function withFileLock<T>(path: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  let lock = tryLock(path);
  if (lock === undefined) options.onWait?.();
  while (lock === undefined) {
    options.signal?.throwIfAborted();
    await sleep(100);
    lock = tryLock(path);
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}
