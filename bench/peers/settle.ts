import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const SAMPLE_MS = 500;
const QUIET_SHARE = 0.1;

/** Share of all cores that was busy during a sample. Nothing of ours runs between turns, so it is other programs' share. */
async function busyShare(): Promise<number> {
  const before = cpuTimes();
  await sleep(SAMPLE_MS);
  const after = cpuTimes();
  return (after.busy - before.busy) / Math.max(1, after.all - before.all);
}

function cpuTimes(): { readonly busy: number; readonly all: number } {
  let [busy, all] = [0, 0];
  for (const { times } of cpus()) {
    const working = times.user + times.nice + times.sys + times.irq;
    busy += working;
    all += working + times.idle;
  }
  return { busy, all };
}

/** Waits for other programs to come to rest, for so long and no longer, and tells how busy they were at the end. */
export async function settle(patienceMs: number): Promise<number> {
  const deadline = performance.now() + patienceMs;
  let share = await busyShare();
  while (share > QUIET_SHARE && performance.now() < deadline) share = await busyShare();
  return share;
}
