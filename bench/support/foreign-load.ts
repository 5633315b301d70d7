import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Clock ticks a second of /proc: the same on all Linux that Node runs on. */
const TICKS_PER_S = 100;

interface Reading {
  readonly atMs: number;
  /** Milliseconds of CPU that the machine gave away or lost to its host since boot. */
  readonly busyMs: number;
  /** Of them, ours. */
  readonly ownMs: number;
}

/**
 * What others took of the machine's cores while something was timed, from /proc. A turn that others disturbed says nothing of either side, so a bench leaves
 * out such turns of both. Elsewhere than on Linux it cannot be known, and every turn counts.
 */
export class ForeignLoad {
  readonly #pids: () => Iterable<number>;
  #from: Reading | undefined;

  /** `pids` are the processes of the bench besides this one. */
  constructor(pids: () => Iterable<number>) {
    this.#pids = pids;
  }

  begin(): void {
    this.#from = this.#read();
  }

  /** Share of all cores since `begin`, the host's stealing included; NaN where it cannot be known. */
  share(): number {
    const [from, to] = [this.#from, this.#read()];
    if (from === undefined || to === undefined) return Number.NaN;
    const foreignMs = to.busyMs - from.busyMs - (to.ownMs - from.ownMs);
    return Math.max(0, foreignMs) / ((to.atMs - from.atMs) * availableParallelism());
  }

  /** A fault here must be seen: a gauge that reads nothing would call every turn quiet. */
  #read(): Reading | undefined {
    if (process.platform !== 'linux') return undefined;
    const fields = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!.split(/\s+/).slice(1);
    const [user, nice, system, , , irq, softirq, steal] = fields.map(Number);
    const busyMs = milliseconds(user! + nice! + system! + irq! + softirq! + (steal ?? 0));
    const ownMs = [process.pid, ...this.#pids()].reduce((sum, pid) => sum + cpuMs(pid), 0);
    return { atMs: performance.now(), busyMs, ownMs };
  }
}

/** How a goal is judged: figures made while others had the cores decide nothing, whichever way they point. */
export function verdict(met: boolean, wasQuiet: boolean): 'met' | 'NOT met' | 'not decided, others had the cores' {
  if (!wasQuiet) return 'not decided, others had the cores';
  return met ? 'met' : 'NOT met';
}

/** Whether a turn counts: others took at most this share, or nobody can know. */
export function isQuiet(share: number, most: number): boolean {
  return !(share > most);
}

/** User and system time of a process, all its threads; the fields after its name, which may hold spaces. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return milliseconds(Number(fields[11]) + Number(fields[12]));
}

function milliseconds(ticks: number): number {
  return (ticks * 1_000) / TICKS_PER_S;
}
