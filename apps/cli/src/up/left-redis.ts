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

/** The kernel gives a pid again: where it tells (/proc), the process must be at work in this folder, else somebody must have the port. */
async function leftPid(directory: string, port: number): Promise<number | undefined> {
  try {
    const pid = Number(readFileSync(pidPath(directory), 'utf8'));
    process.kill(pid, 0);
    const isOurs = existsSync('/proc/self/cwd') ? readlinkSync(`/proc/${pid}/cwd`) === realpathSync(directory) : !(await isPortFree(port));
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
 * @throws StackError if it is there after `withinMs` milliseconds
 */
export async function endLeftRedis(directory: string, port: number, password: string, withinMs = ENDS_WITHIN_MS): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await probeRedis(port, password);
    const knowsUs = answer === 'ready' || answer === 'loading';
    const pid = await leftPid(directory, port);
    if (!knowsUs && pid === undefined) return;
    if (Date.now() > deadline) {
      const which = pid === undefined ? `on port ${port}` : `process ${pid}, port ${port}`;
      throw new StackError(`The Redis of an earlier run (${which}) still runs on ${directory} and does not end. Stop it, then try again.`);
    }
    if (knowsUs) await shutDownRedis(port, password);
    await sleep(100);
  }
}
