import type { Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { DeadTask, QueueControl, QueueState, WithdrawnTask } from '../../ports/index.js';
import { orQueueUnavailable } from '../redis/redis-connection.js';
import { removeDeadLetter } from './dead-letter-scripts.js';

/** Tasks looked at at once. */
const PAGE = 100;
const WAITING = ['waiting', 'prioritized', 'delayed'] as const;

const queuedSchema = z.object({ enqueued_ms: z.number() });

/**
 * What operators do with queues, on BullMQ.
 *
 * @throws RerankError `queue_unavailable`
 */
export class BullmqQueueControl implements QueueControl {
  readonly #handle: (queue: string) => Queue;
  readonly #redis: Redis;

  /** @param handle gives BullMQ's view of a queue; whoever gives it closes it, and the connection */
  constructor(handle: (queue: string) => Queue, redis: Redis) {
    this.#handle = handle;
    this.#redis = redis;
  }

  async state(queue: string): Promise<QueueState> {
    const handle = this.#handle(queue);
    const [paused, counts, next, urgent] = await orQueueUnavailable(
      Promise.all([
        handle.isPaused(),
        handle.getJobCounts(...WAITING, 'active', 'failed'),
        handle.getJobs(['waiting'], 0, 0, true),
        handle.getJobs(['prioritized'], 0, 0, true),
      ]),
    );
    const count = (state: string): number => counts[state] ?? 0;
    const queued = [...next, ...urgent].map(queuedMs);
    return {
      paused,
      waiting: count('waiting'),
      prioritized: count('prioritized'),
      delayed: count('delayed'),
      active: count('active'),
      failed: count('failed'),
      ...(queued.length === 0 ? {} : { nextQueuedMs: Math.min(...queued) }),
    };
  }

  /** Takes out what waits, but for what `stays`, and hands it over task by task: whoever waits for one is to be told. What comes meanwhile may stay. */
  async *withdraw(queue: string, stays: (payload: unknown) => boolean = () => false): AsyncGenerator<WithdrawnTask, void, undefined> {
    // A delayed task may become one that waits meanwhile, never the other way round.
    for (const state of ['delayed', 'prioritized', 'waiting'] as const) yield* this.#withdrawState(queue, state, stays);
  }

  async *#withdrawState(
    queue: string,
    state: (typeof WAITING)[number],
    stays: (payload: unknown) => boolean,
  ): AsyncGenerator<WithdrawnTask, void, undefined> {
    const handle = this.#handle(queue);
    let { [state]: left } = await this.state(queue);
    for (let from = 0; left > 0;) {
      const jobs = await orQueueUnavailable(handle.getJobs([state], from, from + PAGE - 1, true));
      if (jobs.length === 0) return;
      left -= jobs.length;
      for (const job of jobs) {
        if (stays(job.data as unknown)) from += 1;
        // One that a worker has taken since is locked, and goes on.
        else if ((await handle.remove(job.id ?? '').catch(() => 0)) === 1) yield { id: job.id ?? '', payload: job.data as unknown };
      }
    }
  }

  async countDead(queue: string): Promise<number> {
    return await orQueueUnavailable(this.#handle(queue).getFailedCount());
  }

  /** Newest first. */
  async listDead(queue: string, limit: number): Promise<readonly DeadTask[]> {
    const jobs = await orQueueUnavailable(this.#handle(queue).getJobs(['failed'], 0, limit - 1));
    return jobs.map(deadTask);
  }

  /** Undefined for a task that is not dead, or not there. */
  async findDead(queue: string, taskId: string): Promise<DeadTask | undefined> {
    const job = await orQueueUnavailable(this.#handle(queue).getJob(taskId) as Promise<Job | undefined>);
    if (job === undefined || (await orQueueUnavailable(job.getState())) !== 'failed') return undefined;
    return deadTask(job);
  }

  /** False if it was no dead task any more. */
  async removeDead(queue: string, taskId: string): Promise<boolean> {
    return await orQueueUnavailable(removeDeadLetter({ queue: this.#handle(queue), redis: this.#redis }, taskId));
  }
}

/** As the task says; webhooks do not. */
function queuedMs({ data, timestamp }: Job): number {
  return queuedSchema.safeParse(data).data?.enqueued_ms ?? timestamp;
}

function deadTask(job: Job): DeadTask {
  return {
    id: job.id ?? '',
    payload: job.data as unknown,
    attempts: job.attemptsMade,
    failedMs: job.finishedOn ?? job.timestamp,
    detail: job.failedReason,
  };
}
