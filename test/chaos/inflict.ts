import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/stack.ts';
import type { ChaosStack } from './chaos-stack.ts';
import type { Fault } from './fault-schedule.ts';
import type { LinkState, TcpLink } from './tcp-link.ts';

/** Does harm to a stack as a fault says; resolves when the fault is over. */
export async function inflict(stack: ChaosStack, fault: Fault): Promise<void> {
  switch (fault.kind) {
    case 'kill-worker':
      await kill(stack, fault.role);
      break;
    case 'kill-api':
      await kill(stack, 'api');
      break;
    case 'kill-redis':
      await kill(stack, 'redis');
      break;
    case 'kill-supervisor':
      await stack.killSupervisor();
      break;
    case 'crash-thread':
      await writeFile(stack.controlFile(`crash-${fault.role}`), '');
      break;
    case 'pause-redis':
      await pause(stack, fault.durationMs);
      break;
    case 'lock-database':
      await lockDatabase(stack, fault.durationMs);
      break;
    case 'cut':
    case 'blackhole':
    case 'half-open':
    case 'slow': {
      const state: LinkState = fault.kind === 'slow' ? { kind: 'slow', latencyMs: fault.latencyMs } : { kind: fault.kind };
      await harm(stack.links.get(fault.role), state, fault.durationMs);
      break;
    }
    case 'qdrant-away':
      await harm(stack.qdrant?.link, { kind: fault.how }, fault.durationMs);
      break;
    case 'qdrant-slow':
      await harm(stack.qdrant?.link, { kind: 'slow', latencyMs: fault.latencyMs }, fault.durationMs);
      break;
    case 'clock-jump':
      await setClock(stack, fault.role, fault.byMs);
      await sleep(fault.durationMs);
      await setClock(stack, fault.role, undefined);
  }
}

async function harm(link: TcpLink | undefined, state: LinkState, durationMs: number): Promise<void> {
  if (link === undefined) throw new Error('The stack has no such line.');
  link.enter(state);
  await sleep(durationMs);
  link.enter({ kind: 'open' });
}

/** What is not running, as it is being started again, cannot be killed. */
async function kill(stack: ChaosStack, name: string): Promise<void> {
  signal((await stack.pids()).get(name), 'SIGKILL');
}

async function pause(stack: ChaosStack, durationMs: number): Promise<void> {
  const pid = (await stack.pids()).get('redis');
  signal(pid, 'SIGSTOP');
  await sleep(durationMs);
  signal(pid, 'SIGCONT');
}

/** As another process would that writes for long: readers go on, writers wait. */
async function lockDatabase(stack: ChaosStack, durationMs: number): Promise<void> {
  // Without patience of its own: SQLite's would stop this thread, and all proxies with it.
  const database = new DatabaseSync(join(stack.stateDirectory, 'store', 'embedded.sqlite'), { timeout: 0 });
  try {
    await until('the write lock of the database', () => beginsWrite(database));
    await sleep(durationMs);
    database.exec('ROLLBACK');
  } finally {
    database.close();
  }
}

function beginsWrite(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN IMMEDIATE');
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes('locked')) return false;
    throw error;
  }
}

async function setClock(stack: ChaosStack, role: string, byMs: number | undefined): Promise<void> {
  const file = stack.controlFile(`clock-${role}`);
  if (byMs === undefined) await rm(file, { force: true });
  else await writeFile(file, String(byMs));
  signal((await stack.pids()).get(role), 'SIGUSR2');
}

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, name);
  } catch (error) {
    // It has ended in this moment.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
