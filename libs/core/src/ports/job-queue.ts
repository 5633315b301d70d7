/** The wait before the next attempt doubles from the first to the last; up to half of it is left to chance. Milliseconds. */
export interface RetryBackoff {
  readonly firstMs: number;
  readonly lastMs: number;
}

/** A task as the queue carries it: opaque to the queue, validated by who takes it. */
export interface QueuedTask {
  /** Unique; adding an id that is still in the queue is a no-op, one that died is queued anew. No `:`. */
  readonly id: string;
  /** JSON. */
  readonly payload: unknown;
  /** Lower goes first; 0 to 2,097,152. */
  readonly priority?: number;
  /** Times the queue may hand the task out again after a handler failed with an error that allows it. */
  readonly retries?: number;
  /** How long each of those times waits; the queue's own choice where a task names none. */
  readonly backoff?: RetryBackoff;
}

export interface TakenTask extends QueuedTask {
  /** Failed attempts before this one. Deaths of a worker do not count here. */
  readonly attempt: number;
  /** Whether the queue will not hand the task out again after this one failed. */
  readonly isLastAttempt?: boolean;
}

export interface ConsumeOptions {
  /** Tasks handled at once by this consumer. */
  readonly concurrency: number;
  /** A task whose worker has been silent this long is handed to another. */
  readonly lockMs: number;
  /** Called with a task that will not be tried again. */
  readonly onDead?: (task: TakenTask, error: Error) => void;
}

/**
 * Handles one task; the task is done when the promise resolves. A `RerankError` whose catalogue entry says so is retried with backoff. Its
 * `retryAfterS` lengthens the wait, never beyond the backoff's `lastMs`.
 */
export type TaskHandler = (task: TakenTask) => Promise<void>;

export interface QueueConsumer {
  /** Stops taking tasks and waits for those in hand; those not done after `graceMs` go back to the queue. */
  close(graceMs: number): Promise<void>;
}

export interface QueueDepth {
  readonly waiting: number;
  readonly active: number;
}

/**
 * Hands each task to one handler at a time, at least once. Order: priority, then arrival. A task whose worker dies is handed out
 * again. Deliberately not here: results (see the result board), batches, schedules.
 *
 * @throws RerankError `queue_unavailable` from `enqueue`, at once, when the queue cannot be reached
 */
export interface JobQueue {
  enqueue(queue: string, task: QueuedTask): Promise<void>;
  /** Removes a task that nobody has taken; resolves to whether it did. */
  discard(queue: string, taskId: string): Promise<boolean>;
  consume(queue: string, handler: TaskHandler, options: ConsumeOptions): Promise<QueueConsumer>;
  depth(queue: string): Promise<QueueDepth>;
  /** The task that would be handed out next; undefined where none waits. Retries that wait for their time are passed over. */
  peek(queue: string): Promise<Pick<QueuedTask, 'id' | 'payload'> | undefined>;
  /** Whether an operator has paused the queue: tasks are taken in, and handed out to nobody. */
  isPaused(queue: string): Promise<boolean>;
  /** From now on no consumer of any process is handed a task; those in hand go on. Doing it again changes nothing. */
  pause(queue: string): Promise<void>;
  resume(queue: string): Promise<void>;
  close(): Promise<void>;
}
