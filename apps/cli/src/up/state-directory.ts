import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tryLock, type FileLock } from '@rerank-fleet/core/models';
import { StackError } from './stack-error.js';

const PRIVATE = 0o700;

function explain(directory: string, error: unknown): StackError {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  const advice =
    code === 'ENOSPC' ? 'Make room on its disk.' : 'Make it a folder that you may write to, or choose another with RERANK_STATE_DIR.';
  return new StackError(`The state directory ${directory} cannot be used (${code}). ${advice}`, { cause: error });
}

function ownerOf(pidPath: string): string {
  try {
    return `process ${readFileSync(pidPath, 'utf8').trim()}`;
  } catch {
    return 'another process';
  }
}

/**
 * Makes the state directory this process' own until `release`, or until the process ends in any way.
 *
 * @throws StackError if another `rerank up` has it, or if it cannot be written
 */
export function claimStateDirectory(directory: string): FileLock {
  const pidPath = join(directory, 'supervisor.pid');
  let lock: FileLock | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: PRIVATE });
    lock = tryLock(join(directory, 'supervisor.lock'));
    if (lock !== undefined) writeFileSync(pidPath, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    lock?.release();
    throw explain(directory, error);
  }
  if (lock !== undefined) return lock;
  throw new StackError(
    `Another \`rerank up\` (${ownerOf(pidPath)}) runs on ${directory}. Stop it, or choose another folder with RERANK_STATE_DIR.`,
  );
}

/** A folder in the state directory, for this user only. */
export function privateFolder(parent: string, name: string): string {
  const path = join(parent, name);
  try {
    mkdirSync(path, { recursive: true, mode: PRIVATE });
  } catch (error) {
    throw explain(parent, error);
  }
  return path;
}
