import { RerankClient } from '@rerank-fleet/client';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosStack, ObserverRedis } from './chaos-stack.ts';
import { pendingDeletes } from './collect.ts';
import { callOnce, succeeded } from './http-call.ts';
import { within } from './within.ts';

/** How long a task may be in hand without a lock: workers look for such tasks twice in a lock's life, and a moment is theirs to do it. */
const MOMENT_MS = 5_000;
const QUEUES: Readonly<Record<string, number>> = {
  'sync-default': 2_500 + MOMENT_MS,
  'batch-default': 5_000 + MOMENT_MS,
  'express-default': 5_000 + MOMENT_MS,
  ingest: 15_000 + MOMENT_MS,
  webhooks: 15_000 + MOMENT_MS,
};
const LOOK_MS = 50;
const LOOK_WITHIN_MS = 15_000;
const WAITING = ['wait', 'paused', 'active'] as const;
const SORTED = ['prioritized', 'delayed'] as const;

export interface Recovery {
  /** From the end of the faults until everything was done. */
  readonly tookMs: number;
  readonly notRecovered: readonly string[];
  /** What was missing last, and until when. */
  readonly waitedFor?: { readonly what: string; readonly untilMs: number; readonly tasks: readonly string[] };
  readonly stuck: readonly string[];
  readonly deadLetters: readonly string[];
}

export interface AwaitedWork {
  readonly batchesDone: () => boolean;
  readonly reindexDone: () => Promise<boolean>;
  readonly withinMs: number;
  /** Longest time of one look, in milliseconds. @defaultValue 15,000 */
  readonly lookWithinMs?: number;
}

/** Waits until the stack serves again, and everything that was accepted has been done. Tells what did not come to pass in time. */
export async function watchRecovery(stack: ChaosStack, redis: ObserverRedis, work: AwaitedWork): Promise<Recovery> {
  const startedAt = performance.now();
  const deadline = startedAt + work.withinMs;
  const look = <T>(what: string, seen: Promise<T>): Promise<T> => within(what, work.lookWithinMs ?? LOOK_WITHIN_MS, seen);
  const tasks = (): Promise<string[]> => look('the look at queues', tasksLeft(redis)).catch((error: unknown) => [String(error)]);
  const left = conditions(stack, redis, work);
  const watch = new StuckWatch(redis);
  let notRecovered: readonly string[] = [];
  let waitedFor: Recovery['waitedFor'];
  for (;;) {
    notRecovered = [];
    // In this order, and nothing behind what is not so: a fleet that is not there has no queues to empty.
    for (const [what, holds] of left) {
      if (await look(what, holds()).catch(() => false)) continue;
      notRecovered = [what];
      waitedFor = { what, untilMs: performance.now() - startedAt, tasks: await tasks() };
      break;
    }
    if (!['the API is not ready', 'not all processes run', 'not both workers are in the fleet'].includes(notRecovered[0] ?? ''))
      await look('the look for stuck tasks', watch.look()).catch(() => undefined);
    if (notRecovered.length === 0 || performance.now() > deadline) break;
    await sleep(LOOK_MS);
  }
  if (notRecovered.length > 0) notRecovered = [`${notRecovered[0]!} after ${work.withinMs} ms: ${(await tasks()).join(' ')}`];
  const tookMs = performance.now() - startedAt;
  const dead = await look('the look at dead letters', deadLetters(redis)).catch((error: unknown) => {
    notRecovered = [...notRecovered, String(error)];
    return [];
  });
  return { tookMs, notRecovered, ...(waitedFor === undefined ? {} : { waitedFor }), stuck: watch.stuck(), deadLetters: dead };
}

/** What is not so yet → whether it is by now. */
function conditions(stack: ChaosStack, redis: ObserverRedis, work: AwaitedWork): ReadonlyMap<string, () => Promise<boolean>> {
  return new Map<string, () => Promise<boolean>>([
    ['the API is not ready', async () => succeeded(await callOnce(`${stack.url}/health/ready`, { patienceMs: 3_000 }))],
    ['not all processes run', async () => (await stack.pids()).size === 4],
    ['not both workers are in the fleet', () => bothWorkersLive(stack)],
    ['jobs have not ended', async () => work.batchesDone()],
    ['uploads have not ended', () => uploadsDone(stack)],
    // Its call may have failed; until it is carried through, searches may find what is deleted.
    ['a deletion is not carried through', async () => (await pendingDeletes(stack)).length === 0],
    ['a reindex has not ended', work.reindexDone],
    ['tasks are left in queues', async () => (await tasksLeft(redis)).length === 0],
  ]);
}

async function bothWorkersLive(stack: ChaosStack): Promise<boolean> {
  const pids = await stack.pids();
  const workers = await new RerankClient({ baseUrl: stack.url, timeoutMs: 5_000 }).listWorkers();
  const live = workers.map(({ id }) => id);
  return ['worker-1', 'worker-2'].every((name) => live.some((id) => id.includes(`-${String(pids.get(name))}-`)));
}

/** Also of uploads whose answer was lost: they may have been accepted. */
async function uploadsDone(stack: ChaosStack): Promise<boolean> {
  const client = new RerankClient({ baseUrl: stack.url, timeoutMs: 5_000 });
  for await (const { status } of client.listJobs({ kind: 'ingest' })) if (status !== 'completed') return false;
  return true;
}

async function tasksLeft(redis: ObserverRedis): Promise<string[]> {
  const left: string[] = [];
  for (const queue of Object.keys(QUEUES)) {
    for (const list of WAITING) for (const id of await redis.lrange(`{rf}:${queue}:${list}`, 0, -1)) left.push(`${queue}:${list}:${id}`);
    for (const set of SORTED) for (const id of await redis.zrange(`{rf}:${queue}:${set}`, '0', '-1')) left.push(`${queue}:${set}:${id}`);
  }
  // A marker of an empty queue.
  return left.filter((entry) => !/:0:\d+$/.test(entry));
}

async function deadLetters(redis: ObserverRedis): Promise<string[]> {
  const found: string[] = [];
  for (const queue of Object.keys(QUEUES)) {
    for (const id of await redis.zrange(`{rf}:${queue}:failed`, '0', '-1'))
      found.push(`${queue} ${id}: ${(await redis.hget(`{rf}:${queue}:${id}`, 'failedReason')) ?? ''}`);
  }
  return found;
}

/** Tasks that stay in hand though nobody holds their lock, from when all workers are there. */
class StuckWatch {
  readonly #redis: ObserverRedis;
  readonly #since = new Map<string, number>();
  readonly #stuck = new Set<string>();

  constructor(redis: ObserverRedis) {
    this.#redis = redis;
  }

  async look(): Promise<void> {
    const now = performance.now();
    const active = new Set<string>();
    for (const [queue, mostMs] of Object.entries(QUEUES)) {
      for (const id of await this.#redis.lrange(`{rf}:${queue}:active`, 0, -1)) {
        if ((await this.#redis.exists(`{rf}:${queue}:${id}:lock`)) === 1) continue;
        const task = `${queue} ${id}`;
        active.add(task);
        const since = this.#since.get(task) ?? now;
        this.#since.set(task, since);
        if (now - since > mostMs) this.#stuck.add(task);
      }
    }
    for (const task of this.#since.keys()) if (!active.has(task)) this.#since.delete(task);
  }

  stuck(): readonly string[] {
    return [...this.#stuck];
  }
}
