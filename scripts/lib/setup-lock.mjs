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

const describe = (pid) => `${pid} ${startTime(pid)}`;

function isRunning(line) {
  const [pid, started] = line.split(' ');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (error.code === 'ESRCH') return false;
  }
  return startTime(pid) === started;
}

/** The lock's text, a process a line: the set-up, and the program it runs, which outlives it when it is killed. */
function readOwners(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Removes the lock of a dead owner. A rename takes exactly one file away: if it was not the one that was looked at, it goes back. */
function breakLock(path, owners) {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    if (readFileSync(aside, 'utf8') !== owners) linkSync(aside, path);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  }
  rmSync(aside, { force: true });
}

function tryTake(path) {
  const mine = `${path}.${process.pid}.new`;
  writeFileSync(mine, describe(process.pid));
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

/**
 * Runs `work` as the only set-up of this checkout. A lock whose processes are gone is taken over. `work` gets a function that names a
 * program it runs: the lock holds until that one has ended too.
 */
export async function withSetupLock(path, work, onWait) {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let waited = false;
  while (!tryTake(path)) {
    const owners = readOwners(path);
    if (owners === undefined) continue;
    const running = owners.split('\n').find(isRunning);
    if (running === undefined) {
      breakLock(path, owners);
      continue;
    }
    if (!waited) onWait(running.split(' ')[0]);
    waited = true;
    await sleep(200);
  }
  const addProgram = (pid) => {
    const next = `${path}.${process.pid}.next`;
    writeFileSync(next, `${describe(process.pid)}\n${describe(pid)}`);
    renameSync(next, path);
  };
  const release = () => rmSync(path, { force: true });
  process.once('exit', release);
  try {
    return await work(addProgram);
  } finally {
    process.removeListener('exit', release);
    release();
  }
}
