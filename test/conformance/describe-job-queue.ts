import { RerankError } from '@rerank-fleet/core/errors';
import type { ConsumeOptions, JobQueue, QueueConsumer, TakenTask, TaskHandler } from '@rerank-fleet/core/ports';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

export interface JobQueueFactory {
  open(): Promise<JobQueue>;
  close(): Promise<void>;
}

const OPTIONS: ConsumeOptions = { concurrency: 1, lockMs: 1_000 };
const noRetry = (): RerankError => new RerankError('invalid_request', 'not valid');
const mayRetry = (): RerankError => new RerankError('model_unavailable', 'not yet');

/** Handed-out tasks, to be awaited one by one. */
class Inbox {
  readonly taken: TakenTask[] = [];
  readonly #waiting: (() => void)[] = [];

  readonly add = (task: TakenTask): void => {
    this.taken.push(task);
    for (const look of this.#waiting.splice(0)) look();
  };

  async first(count: number): Promise<string[]> {
    while (this.taken.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.taken.slice(0, count).map(({ id }) => id);
  }
}

/** A promise that a test settles. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

/** What every queue does, on a queue of its own name for each test. */
export function describeJobQueue(name: string, start: () => Promise<JobQueueFactory>): void {
  describe(name, () => {
    let factory: JobQueueFactory;
    let queue: JobQueue;
    let lane: string;
    let count = 0;
    const consumers: QueueConsumer[] = [];

    const consume = async (handler: TaskHandler, options: Partial<ConsumeOptions> = {}): Promise<QueueConsumer> => {
      const consumer = await queue.consume(lane, handler, { ...OPTIONS, ...options });
      consumers.push(consumer);
      return consumer;
    };
    const collect = async (options: Partial<ConsumeOptions> = {}): Promise<Inbox> => {
      const inbox = new Inbox();
      await consume(async (task) => inbox.add(task), options);
      return inbox;
    };

    beforeAll(async () => {
      factory = await start();
    });
    afterAll(() => factory.close());
    beforeEach(async () => {
      queue = await factory.open();
      lane = `lane-${count++}`;
    });
    afterEach(async () => {
      await Promise.all(consumers.splice(0).map((consumer) => consumer.close(0)));
      await queue.close();
    });

    it('takes tasks in and hands none out while it is paused, and all of them after', async () => {
      await queue.pause(lane);
      await queue.pause(lane);
      expect(await queue.isPaused(lane)).toBe(true);
      const inbox = await collect();
      for (const id of ['a', 'b']) await queue.enqueue(lane, { id, payload: {} });
      await queue.enqueue(lane, { id: 'urgent', payload: {}, priority: 1 });
      expect(await queue.depth(lane)).toEqual({ waiting: 3, active: 0 });
      expect(await queue.peek(lane)).toMatchObject({ id: 'a' });
      expect(await queue.discard(lane, 'b')).toBe(true);
      // Another queue of the same consumer's process goes on.
      const other = `${lane}-other`;
      const elsewhere = new Inbox();
      consumers.push(await queue.consume(other, async (task) => elsewhere.add(task), OPTIONS));
      await queue.enqueue(other, { id: 'x', payload: {} });
      expect(await elsewhere.first(1)).toEqual(['x']);
      expect(inbox.taken).toEqual([]);
      await queue.resume(lane);
      expect(await queue.isPaused(lane)).toBe(false);
      expect(await inbox.first(2)).toEqual(['a', 'urgent']);
    });

    it('hands out tasks in the order they came, with their payload', async () => {
      for (const id of ['a', 'b', 'c']) await queue.enqueue(lane, { id, payload: { of: id } });
      const inbox = await collect();
      expect(await inbox.first(3)).toEqual(['a', 'b', 'c']);
      expect(inbox.taken.map(({ payload, attempt }) => [payload, attempt])).toEqual([
        [{ of: 'a' }, 0],
        [{ of: 'b' }, 0],
        [{ of: 'c' }, 0],
      ]);
    });

    it('hands out a lower priority number first, and equal ones in the order they came', async () => {
      const priorities = { late: 9, first: 1, second: 1, between: 5 };
      for (const [id, priority] of Object.entries(priorities)) await queue.enqueue(lane, { id, payload: {}, priority });
      await queue.enqueue(lane, { id: 'none', payload: {} });
      expect(await (await collect()).first(5)).toEqual(['none', 'first', 'second', 'between', 'late']);
    });

    it('takes an id that is still in the queue for the same task', async () => {
      await queue.enqueue(lane, { id: 'once', payload: { version: 1 } });
      await queue.enqueue(lane, { id: 'once', payload: { version: 2 } });
      await queue.enqueue(lane, { id: 'end', payload: {} });
      const inbox = await collect();
      expect(await inbox.first(2)).toEqual(['once', 'end']);
      expect(inbox.taken[0]?.payload).toEqual({ version: 1 });
    });

    it('shows the task that goes next, and takes nothing by it', async () => {
      expect(await queue.peek(lane)).toBeUndefined();
      await queue.enqueue(lane, { id: 'patient', payload: { of: 'patient' }, priority: 5 });
      expect(await queue.peek(lane)).toEqual({ id: 'patient', payload: { of: 'patient' } });
      await queue.enqueue(lane, { id: 'urgent', payload: {}, priority: 1 });
      expect((await queue.peek(lane))?.id).toBe('urgent');
      await queue.enqueue(lane, { id: 'sooner', payload: {} });
      expect((await queue.peek(lane))?.id).toBe('sooner');
      await queue.enqueue(lane, { id: 'later', payload: {} });
      expect((await queue.peek(lane))?.id).toBe('sooner');
      expect(await queue.depth(lane)).toEqual({ waiting: 4, active: 0 });
      expect(await (await collect()).first(4)).toEqual(['sooner', 'later', 'urgent', 'patient']);
    });

    it('takes an id anew once its task is done', async () => {
      await queue.enqueue(lane, { id: 'again', payload: {} });
      const inbox = await collect();
      await inbox.first(1);
      await expect.poll(() => queue.depth(lane)).toEqual({ waiting: 0, active: 0 });
      await queue.enqueue(lane, { id: 'again', payload: {} });
      expect(await inbox.first(2)).toEqual(['again', 'again']);
    });

    it('tries a failed task again where its error allows it, as often as the task allows', async () => {
      const inbox = new Inbox();
      const dead: [TakenTask, Error][] = [];
      const died = gate();
      await queue.enqueue(lane, { id: 'stubborn', payload: {}, retries: 1 });
      await consume(
        async (task) => {
          inbox.add(task);
          throw mayRetry();
        },
        {
          onDead: (task, error) => {
            dead.push([task, error]);
            died.open();
          },
        },
      );
      await died.opened;
      expect(inbox.taken.map(({ attempt, isLastAttempt }) => [attempt, isLastAttempt])).toEqual([
        [0, false],
        [1, true],
      ]);
      expect(dead).toEqual([[expect.objectContaining({ id: 'stubborn' }), expect.objectContaining({ code: 'model_unavailable' })]]);
    });

    it('waits between attempts as long as the task says, though its error asks for more', async () => {
      const takenAt: number[] = [];
      const died = gate();
      await queue.enqueue(lane, { id: 'patient', payload: {}, retries: 2, backoff: { firstMs: 200, lastMs: 400 } });
      await consume(
        async () => {
          takenAt.push(performance.now());
          throw new RerankError('model_unavailable', 'not yet', takenAt.length === 1 ? {} : { retryAfterS: 86_400 });
        },
        { onDead: () => died.open() },
      );
      await died.opened;
      const waits = takenAt.slice(1).map((at, index) => at - takenAt[index]!);
      // At least half of the first 200 ms, then the whole 400 ms: the error asks for a day. A timer may be a few milliseconds early.
      expect(waits[0]).toBeGreaterThan(90);
      expect(waits[1]).toBeGreaterThan(390);
    });

    it('counts and discards a task that waits for its next attempt', async () => {
      const [inbox, failed] = [new Inbox(), gate()];
      const minute = { firstMs: 60_000, lastMs: 60_000 };
      await queue.enqueue(lane, { id: 'later', payload: {}, retries: 1, backoff: minute });
      await consume(async (task) => {
        inbox.add(task);
        failed.open();
        throw mayRetry();
      });
      await failed.opened;
      await expect.poll(() => queue.depth(lane)).toEqual({ waiting: 1, active: 0 });
      expect(await queue.discard(lane, 'later')).toBe(true);
      expect(await queue.depth(lane)).toEqual({ waiting: 0, active: 0 });
      expect(inbox.taken).toHaveLength(1);
    });

    it('gives a task up at once where its error says that trying again cannot help', async () => {
      const inbox = new Inbox();
      const died = gate();
      const dead: Error[] = [];
      await queue.enqueue(lane, { id: 'hopeless', payload: {}, retries: 5 });
      await consume(
        async (task) => {
          inbox.add(task);
          throw noRetry();
        },
        {
          onDead: (_, error) => {
            dead.push(error);
            died.open();
          },
        },
      );
      await died.opened;
      expect(inbox.taken).toHaveLength(1);
      expect(dead).toEqual([expect.objectContaining({ code: 'invalid_request', detail: 'not valid' })]);
    });

    it('queues a task anew that died before', async () => {
      const inbox = new Inbox();
      let died = gate();
      await consume(
        async (task) => {
          inbox.add(task);
          throw noRetry();
        },
        { onDead: () => died.open() },
      );
      for (let round = 1; round <= 2; round += 1) {
        died = gate();
        await queue.enqueue(lane, { id: 'phoenix', payload: { round }, retries: 3 });
        await died.opened;
      }
      expect(inbox.taken.map(({ payload, attempt }) => [payload, attempt])).toEqual([
        [{ round: 1 }, 0],
        [{ round: 2 }, 0],
      ]);
    });

    it('removes a task that nobody has taken, and no other', async () => {
      await queue.enqueue(lane, { id: 'unwanted', payload: {} });
      await queue.enqueue(lane, { id: 'wanted', payload: {} });
      expect(await queue.discard(lane, 'unwanted')).toBe(true);
      expect(await queue.discard(lane, 'unwanted')).toBe(false);
      expect(await queue.discard(lane, 'never-there')).toBe(false);
      const held = gate();
      const inbox = new Inbox();
      await consume(async (task) => {
        inbox.add(task);
        await held.opened;
      });
      expect(await inbox.first(1)).toEqual(['wanted']);
      expect(await queue.discard(lane, 'wanted')).toBe(false);
      held.open();
    });

    it('says how many tasks wait and how many are in hand', async () => {
      expect(await queue.depth(lane)).toEqual({ waiting: 0, active: 0 });
      for (const [index, id] of ['a', 'b', 'c'].entries()) await queue.enqueue(lane, { id, payload: {}, priority: index });
      expect(await queue.depth(lane)).toEqual({ waiting: 3, active: 0 });
      const held = gate();
      const inbox = new Inbox();
      await consume(
        async (task) => {
          inbox.add(task);
          await held.opened;
        },
        { concurrency: 2 },
      );
      await inbox.first(2);
      expect(await queue.depth(lane)).toEqual({ waiting: 1, active: 2 });
      held.open();
      await expect.poll(() => queue.depth(lane)).toEqual({ waiting: 0, active: 0 });
    });

    it('handles as many tasks at once as the consumer wants, and no more', async () => {
      let [now, most] = [0, 0];
      const inbox = new Inbox();
      for (let id = 0; id < 6; id += 1) await queue.enqueue(lane, { id: `task-${id}`, payload: {} });
      await consume(
        async (task) => {
          now += 1;
          most = Math.max(most, now);
          await new Promise((resolve) => setTimeout(resolve, 20));
          now -= 1;
          inbox.add(task);
        },
        { concurrency: 3 },
      );
      await inbox.first(6);
      expect(most).toBe(3);
    });

    it('waits on close for the task in hand, and takes no other', async () => {
      await queue.enqueue(lane, { id: 'in-hand', payload: {} });
      const [held, inbox, ended] = [gate(), new Inbox(), new Inbox()];
      const consumer = await consume(async (task) => {
        inbox.add(task);
        await held.opened;
        ended.add(task);
      });
      await inbox.first(1);
      await queue.enqueue(lane, { id: 'later', payload: {} });
      const closed = consumer.close(5_000);
      held.open();
      await closed;
      expect([inbox.taken, ended.taken].map((tasks) => tasks.map(({ id }) => id))).toEqual([['in-hand'], ['in-hand']]);
      expect(await (await collect()).first(1)).toEqual(['later']);
    });

    it('gives a task that is not done within the grace back to the queue', async () => {
      await queue.enqueue(lane, { id: 'endless', payload: {} });
      const [held, inbox] = [gate(), new Inbox()];
      const consumer = await consume(async (task) => {
        inbox.add(task);
        await held.opened;
      });
      await inbox.first(1);
      await consumer.close(50);
      const other = await collect();
      expect(await other.first(1)).toEqual(['endless']);
      expect(other.taken[0]?.attempt).toBe(0);
      held.open();
    });
  });
}
