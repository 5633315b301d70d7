import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { BullmqQueueControl } from '@rerank-fleet/core/adapters/bullmq/bullmq-queue-control';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { RerankError } from '@rerank-fleet/core/errors';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';

type Redis = Awaited<ReturnType<typeof connectRedis>>;

const LANE = 'lane';
const ROUNDS = 60;
const FATAL = new RerankError('invalid_request', 'It never works.');

let server: RedisServer;
let redis: Redis;
let queue: BullmqJobQueue;
let control: BullmqQueueControl;

beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  redis = await connectRedis(server.url, { role: 'producer', name: 'test' });
  await redis.flushall();
  queue = await BullmqJobQueue.open({ url: server.url });
  control = new BullmqQueueControl((name) => queue.handle(name), redis);
});
afterEach(async () => {
  await queue.close();
  redis.disconnect();
});

const task = (payload: object = {}) => ({ id: 'webhook', payload, retries: 3 });

/** Leaves a dead letter. */
async function die(): Promise<void> {
  await queue.enqueue(LANE, task({ of: 'the first' }));
  const died = Promise.withResolvers<undefined>();
  const consumer = await queue.consume(LANE, () => Promise.reject(FATAL), {
    concurrency: 1,
    lockMs: 5_000,
    onDead: () => died.resolve(undefined),
  });
  await died.promise;
  await consumer.close(1_000);
}

/** A way to Redis that looks, after each answer and before whoever asked hears it. */
async function stepByStep(look: () => Promise<void>): Promise<{ readonly url: string; readonly way: Server }> {
  const target = Number(new URL(server.url).port);
  const way = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    let before = Promise.resolve();
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.on('data', (chunk: Buffer) => far.write(chunk));
    far.on('data', (chunk: Buffer) => {
      before = before.then(look).then(() => void near.write(chunk));
    });
  });
  way.listen(0, '127.0.0.1');
  await once(way, 'listening');
  return { url: `redis://127.0.0.1:${(way.address() as AddressInfo).port}`, way };
}

describe('a dead letter that is queued anew', () => {
  it('is at no moment gone from the queue, so that whoever dies under it loses nothing', async () => {
    await die();
    const there: number[] = [];
    const key = queue.handle(LANE).toKey('webhook');
    const { url, way } = await stepByStep(async () => void there.push(await redis.exists(key)));
    const other = await BullmqJobQueue.open({ url });
    await other.enqueue(LANE, task({ of: 'the second' }));
    await other.close();
    way.close();
    expect(there.length).toBeGreaterThan(2);
    expect(new Set(there)).toEqual(new Set([1]));
    expect(await queue.depth(LANE)).toEqual({ waiting: 1, active: 0 });
    expect(await queue.peek(LANE)).toEqual({ id: 'webhook', payload: { of: 'the second' } });
    expect((await control.state(LANE)).failed).toBe(0);
  });

  it('has all its attempts again, and waits from now on', async () => {
    await die();
    await redis.hset(queue.handle(LANE).toKey('webhook'), 'timestamp', 1);
    await queue.enqueue(LANE, task());
    expect((await control.state(LANE)).nextQueuedMs).toBeGreaterThan(Date.now() - 60_000);
    const attempts: number[] = [];
    const died = Promise.withResolvers<undefined>();
    const mayRetry = new RerankError('model_unavailable', 'Not yet.');
    const consumer = await queue.consume(
      LANE,
      ({ attempt }) => {
        attempts.push(attempt);
        return Promise.reject(attempts.length < 2 ? mayRetry : FATAL);
      },
      { concurrency: 1, lockMs: 5_000, onDead: () => died.resolve(undefined) },
    );
    await died.promise;
    await consumer.close(1_000);
    expect(attempts).toEqual([0, 1]);
  });

  it('is queued by all who ask at the same time, once', async () => {
    await die();
    await Promise.all(Array.from({ length: 8 }, () => queue.enqueue(LANE, task())));
    expect(await queue.depth(LANE)).toEqual({ waiting: 1, active: 0 });
  });

  it('is not taken out by one who removes the letter at the same time', async () => {
    const other = await BullmqJobQueue.open({ url: server.url });
    for (let round = 0; round < ROUNDS; round += 1) {
      await die();
      const [, removed] = await Promise.all([other.enqueue(LANE, task()), control.removeDead(LANE, 'webhook')]);
      expect({ round, removed, ...(await queue.depth(LANE)) }).toMatchObject({ round, waiting: 1 });
      await queue.discard(LANE, 'webhook');
    }
    await other.close();
  });

  it('says so when the queue was closed, and queues nothing', async () => {
    await die();
    const other = await BullmqJobQueue.open({ url: server.url });
    await other.close();
    for (const id of ['webhook', 'new'])
      await expect(other.enqueue(LANE, { ...task(), id })).rejects.toMatchObject({ code: 'queue_unavailable' });
    expect(await queue.depth(LANE)).toEqual({ waiting: 0, active: 0 });
  });
});

describe('removing a dead letter', () => {
  it('leaves nothing of it, and removes it once', async () => {
    await die();
    expect(await Promise.all([1, 2, 3].map(() => control.removeDead(LANE, 'webhook')))).toEqual([true, false, false]);
    expect((await redis.keys('*webhook*')).length).toBe(0);
    expect(await control.countDead(LANE)).toBe(0);
  });

  it('does nothing to a task that waits', async () => {
    await queue.enqueue(LANE, task());
    expect(await control.removeDead(LANE, 'webhook')).toBe(false);
    expect(await queue.depth(LANE)).toEqual({ waiting: 1, active: 0 });
  });
});
