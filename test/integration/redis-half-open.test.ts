import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { RedisScoreCache } from '@rerank-fleet/core/adapters/redis/score-cache';
import { Subscription } from '@rerank-fleet/core/adapters/redis/subscription';
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TcpLink } from '../chaos/tcp-link.ts';
import { RedisServer } from '../support/redis-server.js';

const WITHIN = { timeout: 20_000 };

let server: RedisServer;
let link: TcpLink;
let redis: Awaited<ReturnType<typeof connectRedis>>;
let url: string;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  server = await RedisServer.start();
  const { port } = new URL(server.url);
  link = await TcpLink.start(() => Number(port));
  url = `redis://127.0.0.1:${link.port}`;
  redis = await connectRedis(server.url, { role: 'consumer', name: 'test' });
});
beforeEach(() => redis.flushall());
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  link.enter({ kind: 'open' });
});
afterAll(async () => {
  redis.disconnect();
  await link.stop();
  await server.stop();
});

async function connect(role: 'producer' | 'consumer', silenceMs?: number): Promise<typeof redis> {
  const connection = await connectRedis(url, { role, name: 'linked', ...(silenceMs === undefined ? {} : { silenceMs }) });
  closers.push(() => connection.disconnect());
  return connection;
}

describe('when Redis has gone from a connection without a word', () => {
  it('a subscription finds out, and hears again', async () => {
    const heard: string[] = [];
    const subscription = await Subscription.open(await connect('consumer'), 'news', (message) => heard.push(message), 200);
    closers.push(() => subscription.close());
    link.enter({ kind: 'half-open' });
    await expect.poll(() => redis.publish('news', 'x'), WITHIN).toBe(1);
    await expect.poll(() => heard).toEqual(['x']);
  });

  it('scores that are shared are found again', async () => {
    const cache = new RedisScoreCache({ url, ttlS: 60, lookUpMs: 1_000 });
    closers.push(() => cache.close());
    await cache.ready();
    const score = { logit: 1.5, tokens: 7, truncated: false };
    cache.setMany([['a', score]]);
    await expect.poll(() => cache.getMany(['a']), WITHIN).toEqual([score]);
    link.enter({ kind: 'half-open' });
    await expect.poll(() => cache.getMany(['a']), { timeout: 25_000, interval: 100 }).toEqual([score]);
  });

  it('what waits for an answer gets it by another connection', async () => {
    const consumer = await connect('consumer', 300);
    link.enter({ kind: 'half-open' });
    await redis.set('key', 'value');
    expect(await consumer.get('key')).toBe('value');
  });

  it('a producer works again after a few commands that failed', async () => {
    const producer = await connect('producer', 300);
    link.enter({ kind: 'half-open' });
    await expect.poll(() => producer.ping().catch(() => 'failed'), WITHIN).toBe('PONG');
  });

  it('a subscription that heard nothing because this process was busy stays as it is', async () => {
    // Not through the link, which is in this process, too.
    const connection = await connectRedis(server.url, { role: 'consumer', name: 'direct' });
    let closes = 0;
    connection.on('close', () => (closes += 1));
    let pings = 0;
    const ping = connection.ping.bind(connection);
    // The answer comes while this process is busy, until after the next ping is due.
    const pingAndBeBusy = (): Promise<string> => {
      pings += 1;
      void redis.client('PAUSE', 100);
      setImmediate(() => {
        const until = performance.now() + 1_000;
        while (performance.now() < until);
      });
      return ping();
    };
    const subscription = await Subscription.open(Object.assign(connection, { ping: pingAndBeBusy }), 'news', () => undefined, 200);
    closers.push(() => subscription.close());
    await expect.poll(() => pings, WITHIN).toBeGreaterThan(1);
    expect(closes).toBe(0);
  });

  it('connections that are idle stay as they are', async () => {
    const consumer = await connect('consumer', 100);
    const ended = new Promise<string>((resolve) => consumer.once('close', () => resolve('closed')));
    const idle = new Promise<string>((resolve) => setTimeout(() => resolve('idle'), 500));
    expect(await Promise.race([ended, idle])).toBe('idle');
  });
});

describe('a task whose announcement was lost with a worker', () => {
  it('is soon found by another that has nothing to do', async () => {
    const queue = await BullmqJobQueue.open({ url: server.url });
    closers.push(() => queue.close());
    const thief = redis.duplicate();
    closers.push(() => thief.disconnect());
    // Who waited longest gets the announcement, and dies with it.
    const stolen = thief.bzpopmin('{rf}:lost:marker', 0);
    await expect.poll(async () => /blocked_clients:([0-9]+)/.exec(await redis.info('clients'))?.[1]).toBe('1');
    const taken = Promise.withResolvers<string>();
    const consumer = await queue.consume('lost', async ({ id }) => taken.resolve(id), { concurrency: 1, lockMs: 5_000 });
    closers.unshift(() => consumer.close(0));
    await expect.poll(async () => /blocked_clients:([0-9]+)/.exec(await redis.info('clients'))?.[1]).toBe('2');
    const queuedAt = performance.now();
    await queue.enqueue('lost', { id: 'a', payload: {} });
    await stolen;
    expect(await taken.promise).toBe('a');
    // BullMQ's own patience is five seconds.
    expect(performance.now() - queuedAt).toBeLessThan(3_500);
  });
});
