import { Queue, UnrecoverableError, Worker, type BackoffOptions, type Job } from 'bullmq';
import { ERROR_CATALOGUE, RerankError } from '../../errors/index.js';
import type {
  ConsumeOptions,
  JobQueue,
  QueueConsumer,
  QueueDepth,
  QueuedTask,
  RetryBackoff,
  TakenTask,
  TaskHandler,
} from '../../ports/index.js';
import { backoffDelayMs } from '../backoff-delay.js';
import { connectRedis, KEY_PREFIX, orQueueUnavailable } from '../redis/redis-connection.js';
import { renewDeadLetter } from './dead-letter-scripts.js';
import type { Redis } from 'ioredis';

/**
 * BullMQ counts a recovered task as failed after `maxStalledCount` deaths of its worker; an innocent task must not be convicted of
 * another's crash, so the count is out of reach and the worker counts by its fence.
 */
const STALLS_ALLOWED = 1_000;
/** Of tasks that name none: an outage of an hour is found to be over within a minute. */
const DEFAULT_BACKOFF: RetryBackoff = { firstMs: 1_000, lastMs: 60_000 };
/**
 * Share of a lock's life after which an idle consumer looks for tasks by itself. One that dies, or is cut off, as a task is announced to it takes the announcement
 * along; BullMQ would let the task wait five seconds beside idle consumers.
 */
const LOOK_SHARE = 1 / 5;
const LONGEST_LOOK_S = 5;
/** Failed tasks that are kept as dead letters in each queue. */
const DEAD_LETTERS_KEPT = 10_000;

export interface BullmqJobQueueOptions {
  readonly url: string;
  readonly onFault?: (error: Error) => void;
}

/** The queue on BullMQ. Results never go through it: BullMQ copies return values into its event stream. */
export class BullmqJobQueue implements JobQueue {
  readonly #options: BullmqJobQueueOptions;
  readonly #producer: Redis;
  readonly #queues = new Map<string, Queue>();

  private constructor(options: BullmqJobQueueOptions, producer: Redis) {
    this.#options = options;
    this.#producer = producer;
  }

  static async open(options: BullmqJobQueueOptions): Promise<BullmqJobQueue> {
    return new BullmqJobQueue(options, await connectRedis(options.url, { role: 'producer', name: 'queue', ...faultHandler(options) }));
  }

  /** Rejects while nothing can be queued. */
  async ping(): Promise<void> {
    await this.#producer.ping();
  }

  async enqueue(queue: string, task: QueuedTask): Promise<void> {
    // BullMQ would take a dead letter of the same id for the task itself, and add nothing.
    if (task.retries !== undefined && (await orQueueUnavailable(this.#revive(queue, task)))) return;
    const added = this.handle(queue).add('task', task.payload, {
      jobId: task.id,
      attempts: (task.retries ?? 0) + 1,
      backoff: cappedBackoff(task.backoff),
      removeOnComplete: true,
      removeOnFail: { count: DEAD_LETTERS_KEPT },
      ...(task.priority === undefined ? {} : { priority: task.priority }),
    });
    await orQueueUnavailable(added);
  }

  async discard(queue: string, taskId: string): Promise<boolean> {
    try {
      // BullMQ calls a task that is not there removed, too.
      if ((await this.handle(queue).getJob(taskId)) === undefined) return false;
      return (await this.handle(queue).remove(taskId)) === 1;
    } catch {
      return false;
    }
  }

  async consume(queue: string, handler: TaskHandler, options: ConsumeOptions): Promise<QueueConsumer> {
    const connection = await connectRedis(this.#options.url, { role: 'consumer', name: queue, ...faultHandler(this.#options) });
    const worker = new Worker(queue, (job: Job) => handle(handler, job), {
      connection,
      prefix: KEY_PREFIX,
      concurrency: options.concurrency,
      lockDuration: options.lockMs,
      stalledInterval: options.lockMs / 2,
      drainDelay: Math.min(LONGEST_LOOK_S, Math.max(1, (options.lockMs * LOOK_SHARE) / 1_000)),
      maxStalledCount: STALLS_ALLOWED,
      settings: { backoffStrategy: (failures, _type, error, job) => backoffDelayMs(backoffOf(job), failures, error) },
    });
    let abandoned = false;
    worker.on('error', (error) => {
      if (!abandoned) this.#options.onFault?.(error);
    });
    worker.on('failed', (job, error) => {
      if (job !== undefined && job.finishedOn !== undefined)
        options.onDead?.(taken(job), error.cause instanceof RerankError ? error.cause : error);
    });
    await worker.waitUntilReady();
    return {
      close: async (graceMs) => {
        const closed = worker.close().catch(() => undefined);
        // A second close, forced or not, would wait for the first. Without its connection the worker renews no lock, so a task that is not done
        // is handed to another when its lock expires.
        abandoned = (await Promise.race([closed, expire(graceMs)])) === EXPIRED;
        connection.disconnect();
      },
    };
  }

  async depth(queue: string): Promise<QueueDepth> {
    const counts = await orQueueUnavailable(this.handle(queue).getJobCounts('waiting', 'prioritized', 'delayed', 'active'));
    return { waiting: (counts['waiting'] ?? 0) + (counts['prioritized'] ?? 0) + (counts['delayed'] ?? 0), active: counts['active'] ?? 0 };
  }

  async peek(queue: string): Promise<Pick<QueuedTask, 'id' | 'payload'> | undefined> {
    // BullMQ empties `waiting` before it looks at `prioritized`.
    for (const state of ['waiting', 'prioritized'] as const) {
      const [job] = await orQueueUnavailable(this.handle(queue).getJobs([state], 0, 0, true));
      if (job !== undefined) return { id: job.id ?? '', payload: job.data as unknown };
    }
    return undefined;
  }

  /** Whether it waits, is in hand, or is a dead letter. */
  async has(queue: string, taskId: string): Promise<boolean> {
    return (await orQueueUnavailable(this.handle(queue).getJob(taskId) as Promise<Job | undefined>)) !== undefined;
  }

  async isPaused(queue: string): Promise<boolean> {
    return await orQueueUnavailable(this.handle(queue).isPaused());
  }

  async pause(queue: string): Promise<void> {
    await orQueueUnavailable(this.handle(queue).pause());
  }

  async resume(queue: string): Promise<void> {
    await orQueueUnavailable(this.handle(queue).resume());
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#queues.values()].map((queue) => queue.close()));
    this.#producer.disconnect();
  }

  /** A dead letter becomes the task again in one step: whoever dies here leaves the one or the other. False where there is none. */
  async #revive(name: string, { id, payload }: QueuedTask): Promise<boolean> {
    const queue = this.handle(name);
    if (!(await renewDeadLetter({ queue, redis: this.#producer }, id, payload))) return false;
    const letter: Job | undefined = await queue.getJob(id);
    if (letter === undefined) return false;
    try {
      await letter.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });
      return true;
    } catch (error) {
      // Another has queued it anew since, or removed it.
      if ((await queue.getJobState(id)) === 'failed') throw error;
      return false;
    }
  }

  /** BullMQ's own view of a queue, for what operators do with it; closed with this. */
  handle(name: string): Queue {
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const queue = new Queue(name, { connection: this.#producer, prefix: KEY_PREFIX, streams: { events: { maxLen: 1_000 } } });
    queue.on('error', (error) => this.#options.onFault?.(error));
    this.#queues.set(name, queue);
    return queue;
  }
}

function faultHandler(options: BullmqJobQueueOptions): { onFault?: (error: Error) => void } {
  return options.onFault === undefined ? {} : { onFault: options.onFault };
}

function taken(job: Job): TakenTask {
  const { attemptsMade: attempt, opts } = job;
  return { id: job.id ?? '', payload: job.data as unknown, attempt, isLastAttempt: attempt + 1 >= (opts.attempts ?? 1) };
}

/** Codes that the catalogue calls unrecoverable are not tried again; unknown faults are. */
async function handle(handler: TaskHandler, job: Job): Promise<void> {
  try {
    await handler(taken(job));
  } catch (error) {
    if (!(error instanceof RerankError) || ERROR_CATALOGUE[error.code].retry !== 'unrecoverable') throw error;
    throw Object.assign(new UnrecoverableError(error.message), { cause: error });
  }
}

const EXPIRED = Symbol('expired');

function expire(ms: number): Promise<typeof EXPIRED> {
  return new Promise((resolve) => setTimeout(() => resolve(EXPIRED), ms));
}

/** What BullMQ keeps beside a task, so that whoever takes it knows how long its retries wait. */
interface CappedBackoff extends BackoffOptions {
  readonly type: 'capped';
  readonly capped?: RetryBackoff;
}

function cappedBackoff(backoff: RetryBackoff | undefined): CappedBackoff {
  return backoff === undefined ? { type: 'capped' } : { type: 'capped', capped: { firstMs: backoff.firstMs, lastMs: backoff.lastMs } };
}

/** Tasks that an older version queued carry none. */
function backoffOf(job: Pick<Job, 'opts'> | undefined): RetryBackoff {
  return (job?.opts.backoff as CappedBackoff | undefined)?.capped ?? DEFAULT_BACKOFF;
}
