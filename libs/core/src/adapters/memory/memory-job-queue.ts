import { ERROR_CATALOGUE, RerankError } from '../../errors/index.js';
import type { ConsumeOptions, JobQueue, QueueConsumer, QueueDepth, QueuedTask, TakenTask, TaskHandler } from '../../ports/index.js';
import { backoffDelayMs } from '../backoff-delay.js';

interface Entry extends QueuedTask {
  readonly arrival: number;
  attempt: number;
}

interface Lane {
  readonly waiting: Entry[];
  /** Failed tasks until their next attempt. */
  readonly delayed: Map<Entry, NodeJS.Timeout>;
  readonly ids: Set<string>;
  readonly consumers: Set<{ take: () => void }>;
  active: number;
}

interface Running {
  readonly handler: TaskHandler;
  readonly options: ConsumeOptions;
  /** False once the consumer gave the task back. */
  readonly isMine: () => boolean;
}

/** The queue within one process, for tests of what stands on it. Nothing survives the process; retries come at once where a task names no backoff. */
export class MemoryJobQueue implements JobQueue {
  readonly #lanes = new Map<string, Lane>();
  readonly #paused = new Set<string>();
  #arrivals = 0;

  enqueue(queue: string, task: QueuedTask): Promise<void> {
    const lane = this.#lane(queue);
    if (!lane.ids.has(task.id)) {
      lane.ids.add(task.id);
      this.#push(lane, { ...task, arrival: this.#arrivals++, attempt: 0 });
    }
    return Promise.resolve();
  }

  discard(queue: string, taskId: string): Promise<boolean> {
    const lane = this.#lane(queue);
    const delayed = [...lane.delayed.keys()].find((entry) => entry.id === taskId);
    if (delayed !== undefined) this.#wake(lane, delayed);
    const position = lane.waiting.findIndex((entry) => entry.id === taskId);
    if (position >= 0) {
      lane.waiting.splice(position, 1);
      lane.ids.delete(taskId);
    }
    return Promise.resolve(position >= 0);
  }

  consume(queue: string, handler: TaskHandler, options: ConsumeOptions): Promise<QueueConsumer> {
    const lane = this.#lane(queue);
    const inHand = new Map<Entry, Promise<void>>();
    let open = true;
    const consumer = {
      take: (): void => {
        while (open && !this.#paused.has(queue) && inHand.size < options.concurrency && lane.waiting.length > 0) {
          const entry = lane.waiting.shift() as Entry;
          const isMine = (): boolean => inHand.has(entry);
          const work = this.#run(lane, entry, { handler, options, isMine }).finally(() => {
            inHand.delete(entry);
            consumer.take();
          });
          inHand.set(entry, work);
        }
      },
    };
    lane.consumers.add(consumer);
    consumer.take();
    return Promise.resolve({
      close: async (graceMs: number) => {
        open = false;
        lane.consumers.delete(consumer);
        await Promise.race([Promise.all(inHand.values()), new Promise((resolve) => setTimeout(resolve, graceMs).unref())]);
        const abandoned = [...inHand.keys()];
        inHand.clear();
        for (const entry of abandoned) this.#push(lane, entry);
      },
    });
  }

  depth(queue: string): Promise<QueueDepth> {
    const lane = this.#lane(queue);
    return Promise.resolve({ waiting: lane.waiting.length + lane.delayed.size, active: lane.active });
  }

  peek(queue: string): Promise<Pick<QueuedTask, 'id' | 'payload'> | undefined> {
    const [first] = this.#lane(queue).waiting;
    return Promise.resolve(first === undefined ? undefined : { id: first.id, payload: structuredClone(first.payload) });
  }

  isPaused(queue: string): Promise<boolean> {
    return Promise.resolve(this.#paused.has(queue));
  }

  pause(queue: string): Promise<void> {
    this.#paused.add(queue);
    return Promise.resolve();
  }

  resume(queue: string): Promise<void> {
    this.#paused.delete(queue);
    for (const consumer of this.#lane(queue).consumers) queueMicrotask(consumer.take);
    return Promise.resolve();
  }

  close(): Promise<void> {
    for (const timer of [...this.#lanes.values()].flatMap(({ delayed }) => [...delayed.values()])) clearTimeout(timer);
    this.#lanes.clear();
    return Promise.resolve();
  }

  async #run(lane: Lane, entry: Entry, { handler, options, isMine }: Running): Promise<void> {
    const { id, attempt, retries = 0 } = entry;
    const task: TakenTask = { id, payload: structuredClone(entry.payload), attempt, isLastAttempt: attempt >= retries };
    lane.active += 1;
    try {
      await handler(task);
      if (isMine()) lane.ids.delete(entry.id);
    } catch (error) {
      if (isMine()) this.#fail(lane, entry, { task, error: error as Error, options });
    } finally {
      lane.active -= 1;
    }
  }

  #fail(
    lane: Lane,
    entry: Entry,
    { task, error, options }: { readonly task: TakenTask; readonly error: Error; readonly options: ConsumeOptions },
  ): void {
    const final = error instanceof RerankError && ERROR_CATALOGUE[error.code].retry === 'unrecoverable';
    if (!final && entry.attempt < (entry.retries ?? 0)) {
      entry.attempt += 1;
      this.#retry(lane, entry, error);
      return;
    }
    lane.ids.delete(entry.id);
    options.onDead?.(task, error);
  }

  #retry(lane: Lane, entry: Entry, error: Error): void {
    if (entry.backoff === undefined) return this.#push(lane, entry);
    const timer = setTimeout(() => this.#wake(lane, entry), backoffDelayMs(entry.backoff, entry.attempt, error));
    lane.delayed.set(entry, timer.unref());
  }

  #wake(lane: Lane, entry: Entry): void {
    clearTimeout(lane.delayed.get(entry));
    lane.delayed.delete(entry);
    this.#push(lane, entry);
  }

  #push(lane: Lane, entry: Entry): void {
    lane.waiting.push(entry);
    lane.waiting.sort((a, b) => (a.priority ?? 0) - (b.priority ?? 0) || a.arrival - b.arrival);
    for (const consumer of lane.consumers) queueMicrotask(consumer.take);
  }

  #lane(queue: string): Lane {
    const known = this.#lanes.get(queue);
    if (known !== undefined) return known;
    const lane: Lane = { waiting: [], delayed: new Map(), ids: new Set(), consumers: new Set(), active: 0 };
    this.#lanes.set(queue, lane);
    return lane;
  }
}
