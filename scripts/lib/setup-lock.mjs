import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** When the process started, in the kernel's ticks: with it a pid that was given out again is told apart. Empty where there is no /proc. */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function isAlive({ pid, started }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === 'ESRCH') return false;
  }
  return startTime(pid) === started;
}

function readOwner(path) {
  try {
    const text = readFileSync(path, 'utf8');
    const [pid, started] = text.split(' ');
    return { text, pid: Number(pid), started };
  } catch {
    return undefined;
  }
}

/** Removes the lock of a dead owner. A rename takes exactly one file away: if it was not the one that was looked at, it goes back. */
function breakLock(path, owner) {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    if (readFileSync(aside, 'utf8') !== owner.text) linkSync(aside, path);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  }
  rmSync(aside, { force: true });
}

function tryTake(path) {
  const mine = `${path}.${process.pid}.new`;
  writeFileSync(mine, `${process.pid} ${startTime(process.pid)}`);
  try {
    // The link brings name and content at once: nobody sees a lock without an owner.
    linkSync(mine, path);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Runs `work` as the only set-up of this checkout. A lock whose owner is gone is taken over. */
export async function withSetupLock(path, work, onWait) {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let waited = false;
  while (!tryTake(path)) {
    const owner = readOwner(path);
    if (owner === undefined) continue;
    if (!isAlive(owner)) {
      breakLock(path, owner);
      continue;
    }
    if (!waited) onWait(owner.pid);
    waited = true;
    await sleep(200);
  }
  const release = () => rmSync(path, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.removeListener('exit', release);
    release();
  }
}
