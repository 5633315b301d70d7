import { existsSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPortFree, probeRedis, shutDownRedis } from './redis-probe.js';
import { StackError } from './stack-error.js';

const ENDS_WITHIN_MS = 15_000;

const pidPath = (directory: string): string => join(directory, 'pid');

/** For a supervisor that comes after this one was killed. */
export function noteRedisPid(directory: string, pid: number): void {
  writeFileSync(pidPath(directory), `${pid}\n`, { mode: 0o600 });
}

/** The kernel gives a pid again: where it tells (/proc), the process must be at work in this folder, else somebody must have the port that is known. */
async function leftPid(directory: string, port: number | undefined): Promise<number | undefined> {
  try {
    const pid = Number(readFileSync(pidPath(directory), 'utf8'));
    process.kill(pid, 0);
    const isOurs = existsSync('/proc/self/cwd')
      ? readlinkSync(`/proc/${pid}/cwd`) === realpathSync(directory)
      : port !== undefined && !(await isPortFree(port));
    return isOurs ? pid : undefined;
  } catch {
    // Never noted, or it has ended.
    return undefined;
  }
}

/**
 * Ends a Redis that an earlier supervisor left. Two on one folder would ruin the data, so it must be gone before another starts: one that knows our password, and
 * also one that does not answer, as it is stopped or its disk hangs; it ends when it goes on.
 *
 * @param port where it listened; undefined where that is not known, and only its process tells of it
 * @throws StackError if it is there after `withinMs` milliseconds
 */
export async function endLeftRedis(
  directory: string,
  port: number | undefined,
  password: string,
  withinMs = ENDS_WITHIN_MS,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const listening = port !== undefined && (await knowsUs(port, password)) ? port : undefined;
    const pid = await leftPid(directory, port);
    if (listening === undefined && pid === undefined) return;
    if (Date.now() > deadline) {
      const which = [pid === undefined ? [] : `process ${pid}`, port === undefined ? [] : `port ${port}`].flat().join(', ');
      throw new StackError(`The Redis of an earlier run (${which}) still runs on ${directory} and does not end. Stop it, then try again.`);
    }
    if (listening !== undefined) await shutDownRedis(listening, password);
    await sleep(100);
  }
}

async function knowsUs(port: number, password: string): Promise<boolean> {
  const answer = await probeRedis(port, password);
  return answer === 'ready' || answer === 'loading';
}
