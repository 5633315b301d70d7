/** What waits in a queue, and how it goes. */
export interface QueueState {
  readonly paused: boolean;
  readonly waiting: number;
  readonly prioritized: number;
  readonly delayed: number;
  readonly active: number;
  readonly failed: number;
  /** Epoch milliseconds at which the task that goes next was queued; absent where none waits. */
  readonly nextQueuedMs?: number;
}

/** A task that was taken out of its queue before a worker took it. */
export interface WithdrawnTask {
  readonly id: string;
  readonly payload: unknown;
}

/** A task that will not be tried again. */
export interface DeadTask extends WithdrawnTask {
  readonly attempts: number;
  /** Epoch milliseconds. */
  readonly failedMs: number;
  /** Of the last attempt. */
  readonly detail: string;
}

/**
 * What operators do with queues, beyond what the house does with them.
 *
 * @throws RerankError `queue_unavailable`
 */
export interface QueueControl {
  state(queue: string): Promise<QueueState>;
  /** Takes out what waits, but for tasks whose payload `stays`, task by task: whoever waits for one is to be told. */
  withdraw(queue: string, stays?: (payload: unknown) => boolean): AsyncIterable<WithdrawnTask>;
  countDead(queue: string): Promise<number>;
  /** Newest first. */
  listDead(queue: string, limit: number): Promise<readonly DeadTask[]>;
  /** Undefined for a task that is not dead, or not there. */
  findDead(queue: string, taskId: string): Promise<DeadTask | undefined>;
  /** False if it was no dead task any more. */
  removeDead(queue: string, taskId: string): Promise<boolean>;
}
