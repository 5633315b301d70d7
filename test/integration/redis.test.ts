import type { Socket } from 'node:net';
import { CancelWatch } from '@rerank-fleet/core/adapters/redis/cancel-watch';
import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { RedisClock } from '@rerank-fleet/core/adapters/redis/redis-clock';
import { assertRedisFit, connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { ResultBoard } from '@rerank-fleet/core/adapters/redis/result-board';
import { ResultInbox } from '@rerank-fleet/core/adapters/redis/result-inbox';
import { Sequence } from '@rerank-fleet/core/adapters/redis/sequence';
import { Subscription } from '@rerank-fleet/core/adapters/redis/subscription';
import { TaskBodies } from '@rerank-fleet/core/adapters/redis/task-bodies';
import type { TaskBody } from '@rerank-fleet/core/contracts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { announcement } from '../support/api-fakes.js';
import { RedisServer } from '../support/redis-server.js';

type Connection = Awaited<ReturnType<typeof connectRedis>>;

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;
const closers: (() => void)[] = [];
let server: RedisServer;
let redis: Connection;

async function connect(role: 'producer' | 'consumer', name = 'test'): Promise<Connection> {
  const connection = await connectRedis(server.url, { role, name });
  closers.push(() => connection.disconnect());
  return connection;
}

async function openInbox(): Promise<ResultInbox> {
  const inbox = await ResultInbox.start(await connect('producer'), await connect('consumer', 'inbox'));
  closers.push(() => inbox.stop());
  return inbox;
}

/** What is published on a channel from now on. */
async function listen(channel: string): Promise<string[]> {
  const heard: string[] = [];
  const subscription = await Subscription.open(await connect('consumer', 'listener'), channel, (message) => heard.push(message));
  closers.push(() => subscription.close());
  return heard;
}

/** Cuts the connection of that name, as a network or a proxy does. */
async function cut(name: string): Promise<void> {
  const clients = String(await redis.client('LIST')).split('\n');
  const ids = clients.filter((line) => line.includes(`name=rerank-fleet-${name} `)).map((line) => /id=(\d+)/.exec(line)?.[1] ?? '');
  expect(ids).not.toEqual([]);
  for (const id of ids) await redis.client('KILL', 'ID', id);
}

beforeAll(async () => {
  server = await RedisServer.start();
});
beforeEach(async () => {
  redis = await connect('consumer');
  await redis.flushall();
});
afterEach(() => {
  for (const close of closers.splice(0)) close();
});
afterAll(() => server.stop());

describe('Subscription', () => {
  it('is renewed with each connection', async () => {
    const heard: string[] = [];
    await Subscription.open(await connect('consumer', 'listener'), 'news', (message) => heard.push(message));
    for (const message of ['first', 'second']) {
      await cut('listener');
      await expect.poll(() => redis.publish('news', message)).toBe(1);
    }
    await expect.poll(() => heard).toEqual(['first', 'second']);
  });

  it('may be closed while it is being renewed, without a rejection that nobody catches', async () => {
    const connection = await connect('consumer', 'listener');
    const subscription = await Subscription.open(connection, 'news', () => undefined);
    const uncaught: unknown[] = [];
    const note = (reason: unknown): void => void uncaught.push(reason);
    process.on('unhandledRejection', note);
    const again = new Promise((resolve) => connection.once('ready', resolve));
    const closed = new Promise((resolve) => connection.once('end', resolve));
    connection.once('ready', () => {
      subscription.close();
      // No answer to what was just sent is read any more.
      (connection as unknown as { readonly stream: Socket }).stream.destroy();
    });
    await cut('listener');
    await again;
    await closed;
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(uncaught).toEqual([]);
  });
});

describe('ResultBoard', () => {
  it('keeps the fence of a call no longer than the call', async () => {
    const board = new ResultBoard(redis);
    await board.takeFence('a', 90_000);
    expect(await redis.pttl('{rf}:fence:a')).toBeLessThanOrEqual(90_000);
  });

  it('starts anew with a task that was forgotten', async () => {
    const board = new ResultBoard(redis);
    await board.takeFence('a');
    await board.giveBack('a');
    await board.forget('a');
    expect([await board.takeFence('a'), await board.timesGivenBack('a')]).toEqual([1, 0]);
  });

  it('counts how often a task was taken', async () => {
    const board = new ResultBoard(redis);
    expect([await board.takeFence('a'), await board.takeFence('a'), await board.takeFence('b')]).toEqual([1, 2, 1]);
  });

  it('lets only the latest holder publish', async () => {
    const board = new ResultBoard(redis);
    const [first, second] = [await board.takeFence('a'), await board.takeFence('a')];
    expect(await board.publish('a', first, 'early', { ttlMs: HOUR_MS })).toBe(false);
    expect(await board.hasResult('a')).toBe(false);
    expect(await board.publish('a', second, 'right', { ttlMs: HOUR_MS })).toBe(true);
  });

  it('sends a small result whole to the inbox that waits, and tells no other', async () => {
    const [board, inbox] = [new ResultBoard(redis), await openInbox()];
    const [whole, told] = [await listen(`{rf}:results:${inbox.address}`), await listen('{rf}:results')];
    const answer = inbox.wait('a', never);
    const result = 'of a,\nin lines';
    await board.publish('a', await board.takeFence('a'), result, { ttlMs: HOUR_MS, replyTo: inbox.address });
    expect(await answer).toBe(result);
    await expect.poll(() => whole).toEqual([`a\n${result}`]);
    expect(await redis.get('{rf}:result:a')).toBe(result);
    await expect.poll(() => redis.pttl('{rf}:result:a')).toBeLessThanOrEqual(10_000);
    await board.publish('b', await board.takeFence('b'), 'of b', { ttlMs: HOUR_MS });
    await expect.poll(() => told).toEqual(['b']);
  });

  it('sends a large result by its id, to be read', async () => {
    const [board, inbox] = [new ResultBoard(redis), await openInbox()];
    const told = await listen(`{rf}:results:${inbox.address}`);
    const large = 'x'.repeat(65_537);
    const answer = inbox.wait('a', never);
    await board.publish('a', await board.takeFence('a'), large, { ttlMs: HOUR_MS, replyTo: inbox.address });
    expect(await answer).toBe(large);
    await expect.poll(() => told).toEqual(['a']);
  });

  it('is written once', async () => {
    const [board, inbox] = [new ResultBoard(redis), await openInbox()];
    const fence = await board.takeFence('a');
    const answer = inbox.wait('a', never);
    expect(await board.publish('a', fence, 'first', { ttlMs: HOUR_MS })).toBe(true);
    expect(await board.publish('a', fence, 'second', { ttlMs: HOUR_MS })).toBe(false);
    expect(await answer).toBe('first');
    expect(await board.publish('never-taken', 1, 'x', { ttlMs: HOUR_MS })).toBe(false);
  });

  it('says so when Redis gives no fence', async () => {
    await redis.set('{rf}:fence:a', 'no number');
    await expect(new ResultBoard(redis).takeFence('a')).rejects.toThrow(/not an integer/);
  });
});

describe('ResultInbox', () => {
  it('gives each waiter its own result', async () => {
    const [board, inbox] = [new ResultBoard(redis), await openInbox()];
    const answers = ['a', 'b'].map((id) => inbox.wait(id, never));
    for (const id of ['b', 'a']) await board.publish(id, await board.takeFence(id), `of ${id}`, { ttlMs: HOUR_MS });
    expect(await Promise.all(answers)).toEqual(['of a', 'of b']);
  });

  it('rejects with the reason of the signal', async () => {
    const inbox = await openInbox();
    const controller = new AbortController();
    const answer = inbox.wait('a', controller.signal);
    controller.abort(new Error('nobody waits'));
    await expect(answer).rejects.toThrow('nobody waits');
    await expect(inbox.wait('a', controller.signal)).rejects.toThrow('nobody waits');
  });

  it('finds by itself a result whose message was lost', async () => {
    const inbox = await openInbox();
    const answer = inbox.wait('a', never);
    await redis.set('{rf}:result:a', 'missed');
    expect(await answer).toBe('missed');
  });

  it('hears of results again after its subscription was cut', async () => {
    const [board, inbox] = [new ResultBoard(redis), await openInbox()];
    await cut('inbox');
    for (const channel of ['{rf}:results', `{rf}:results:${inbox.address}`])
      await expect.poll(() => redis.pubsub('NUMSUB', channel), { timeout: 5_000 }).toEqual([channel, 1]);
    for (const replyTo of [undefined, inbox.address]) {
      const id = `for ${replyTo ?? 'all'}`;
      const answer = inbox.wait(id, never);
      await board.publish(id, await board.takeFence(id), 'heard', { ttlMs: HOUR_MS, replyTo });
      expect(await answer).toBe('heard');
    }
  });

  it('gives a result that was published before Redis was restarted', async () => {
    const lasting = await RedisServer.start({ settings: ['--appendfsync', 'always'] });
    const [own, subscriber, writer] = await Promise.all(
      (['producer', 'consumer', 'consumer'] as const).map((role) => connectRedis(lasting.url, { role, name: 'restart' })),
    );
    const inbox = await ResultInbox.start(own!, subscriber!);
    try {
      const board = new ResultBoard(writer!);
      const fence = await board.takeFence('a');
      const answer = inbox.wait('a', never);
      await lasting.kill();
      const written = board.publish('a', fence, 'kept', { ttlMs: HOUR_MS });
      await lasting.resume();
      expect(await written).toBe(true);
      expect(await answer).toBe('kept');
    } finally {
      inbox.stop();
      for (const connection of [own, subscriber, writer]) connection?.disconnect();
      await lasting.stop();
    }
  });
});

describe('CancelWatch', () => {
  const start = async (): Promise<CancelWatch> => {
    const watch = await CancelWatch.start(redis, await connect('consumer', 'cancels'));
    closers.push(() => watch.stop());
    return watch;
  };

  it('aborts a task in hand, in whatever process it is, and no other', async () => {
    const [watch, inbox] = [await start(), await openInbox()];
    const [mine, other] = [new AbortController(), new AbortController()];
    await watch.follow('a', mine);
    await watch.follow('b', other);
    const aborted = new Promise((resolve) => mine.signal.addEventListener('abort', resolve));
    await inbox.cancel('a', HOUR_MS);
    await aborted;
    expect(other.signal.aborted).toBe(false);
  });

  it('aborts at once a task that was cancelled before it was taken', async () => {
    const [watch, inbox] = [await start(), await openInbox()];
    await inbox.cancel('a', HOUR_MS);
    const controller = new AbortController();
    await watch.follow('a', controller);
    expect(controller.signal.aborted).toBe(true);
  });

  it('leaves a task alone that it was told to release', async () => {
    const [watch, inbox] = [await start(), await openInbox()];
    const [released, followed] = [new AbortController(), new AbortController()];
    await watch.follow('a', released);
    watch.release('a', released);
    await watch.follow('b', followed);
    const aborted = new Promise((resolve) => followed.signal.addEventListener('abort', resolve));
    await inbox.cancel('a', HOUR_MS);
    await inbox.cancel('b', HOUR_MS);
    await aborted;
    expect(released.signal.aborted).toBe(false);
  });
});

describe('RedisClock', () => {
  it('tells the time of Redis, and goes on without it', async () => {
    const clock = await RedisClock.start(redis);
    closers.push(() => clock.stop());
    const [seconds, micros] = (await redis.time()).map(Number) as [number, number];
    expect(Math.abs(clock.now() - (seconds * 1_000 + micros / 1_000))).toBeLessThan(50);
    const before = clock.now();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(clock.now() - before).toBeGreaterThanOrEqual(19);
  });

  it('takes no time that waited for Redis to come back for the time of now', async () => {
    const slow = { eval: vi.fn((...call: Parameters<typeof redis.eval>) => redis.eval(...call)) };
    const late = async (...call: Parameters<typeof redis.eval>): Promise<unknown> => {
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      return await redis.eval(...call);
    };
    slow.eval.mockImplementationOnce(late);
    const clock = await RedisClock.start(slow as unknown as Connection);
    closers.push(() => clock.stop());
    const [seconds, micros] = (await redis.time()).map(Number) as [number, number];
    expect(Math.abs(clock.now() - (seconds * 1_000 + micros / 1_000))).toBeLessThan(200);
  });
});

describe('Sequence', () => {
  it('gives rising whole numbers to many at once, blocks without overlap', async () => {
    const [one, other] = [new Sequence(redis), new Sequence(await connect('producer'))];
    const blocks = await Promise.all(
      Array.from({ length: 40 }, async (_, turn) => ({ first: await (turn % 2 === 0 ? one : other).next(5), count: 5 })),
    );
    const numbers = blocks.flatMap(({ first, count }) => Array.from({ length: count }, (_, index) => first + index));
    expect(new Set(numbers).size).toBe(200);
    expect(numbers.every(Number.isSafeInteger)).toBe(true);
  });

  it('goes on rising when Redis lost its data', async () => {
    const sequence = new Sequence(redis);
    const before = await sequence.next(10);
    await redis.flushall();
    expect(await sequence.next()).toBeGreaterThanOrEqual(before + 10);
  });
});

describe('TaskBodies', () => {
  const bodyOf = (length: number): TaskBody => ({
    kind: 'rerank',
    stages: [{ model: { name: 'm', sha256: 's' } }],
    query: 'q',
    documents: ['x'.repeat(length)],
    top_n: 1,
    long_document: 'truncate',
    deterministic: false,
  });

  it('sends a small body with the task', async () => {
    const body = bodyOf(10);
    expect(await new TaskBodies(redis).pack('a', body, HOUR_MS)).toEqual({ body });
  });

  it('keeps a large body beside the task until it is dropped, or its time is over', async () => {
    const [bodies, body] = [new TaskBodies(redis), bodyOf(100_000)];
    const packed = await bodies.pack('a', body, HOUR_MS);
    const reference = packed.body_ref ?? '';
    expect(packed.body).toBeUndefined();
    expect(await bodies.fetch(reference)).toEqual(body);
    expect(await redis.pttl(reference)).toBeGreaterThan(HOUR_MS - 60_000);
    await bodies.drop(reference);
    expect(await bodies.fetch(reference)).toBeUndefined();
  });
});

describe('FleetRegistry', () => {
  it('shows live workers, newest first, and remembers their pools when they are gone', async () => {
    const registry = new FleetRegistry(redis);
    const [older, newer] = [
      announcement({ worker_id: 'older', started_at: 1 }),
      announcement({ worker_id: 'newer', started_at: 2, pool: 'gpu' }),
    ];
    await registry.announce(older);
    await registry.announce(newer);
    expect(await registry.live()).toEqual([newer, older]);
    await registry.withdraw('older');
    expect(await registry.live()).toEqual([newer]);
    expect((await registry.remembered()).map(({ pool }) => pool).sort()).toEqual(['default', 'gpu']);
  });

  it('passes over what a worker of another release left', async () => {
    const registry = new FleetRegistry(redis);
    await registry.announce(announcement({ worker_id: 'ours' }));
    await redis.hset('{rf}:pools', 'theirs', JSON.stringify([{ name: 'a', unit: 'unknown' }]));
    expect((await registry.remembered()).map(({ pool }) => pool)).toEqual(['default']);
  });

  it('forgets a worker whose heartbeat has expired', async () => {
    const registry = new FleetRegistry(redis);
    await registry.announce(announcement({ worker_id: 'silent' }));
    const key = '{rf}:worker:silent';
    const ttl = await redis.pttl(key);
    expect(ttl).toBeGreaterThan(10_000);
    expect(ttl).toBeLessThanOrEqual(15_000);
    await redis.pexpire(key, 1);
    await expect.poll(() => registry.live()).toEqual([]);
    expect(await redis.smembers('{rf}:workers')).toEqual([]);
  });
});

describe('assertRedisFit', () => {
  const refusal = async (settings: readonly string[]): Promise<unknown> => {
    const unfit = await RedisServer.start({ settings });
    const connection = await connectRedis(unfit.url, { role: 'consumer', name: 'fit' });
    try {
      return await assertRedisFit(connection).catch((error: unknown) => error);
    } finally {
      connection.disconnect();
      await unfit.stop();
    }
  };

  it('takes a Redis with noeviction that is append-only, or that saves snapshots', async () => {
    await expect(assertRedisFit(redis)).resolves.toBeUndefined();
    expect(await refusal(['--appendonly', 'no', '--save', '60', '1000'])).toBeUndefined();
  });

  it('refuses one that evicts keys', async () => {
    expect(await refusal(['--maxmemory-policy', 'allkeys-lru'])).toMatchObject({
      name: 'UnfitRedisError',
      message: expect.stringContaining('maxmemory-policy to noeviction') as string,
    });
  });

  it('refuses one that keeps nothing on disk', async () => {
    expect(await refusal(['--appendonly', 'no'])).toMatchObject({
      name: 'UnfitRedisError',
      message: expect.stringContaining('appendonly to yes') as string,
    });
  });
});

describe('connectRedis', () => {
  it('lets a producer fail at once while Redis is away, and a consumer wait for it', async () => {
    const shaky = await RedisServer.start({ settings: ['--appendfsync', 'always'] });
    const producer = await connectRedis(shaky.url, { role: 'producer', name: 'shaky' });
    const consumer = await connectRedis(shaky.url, { role: 'consumer', name: 'shaky' });
    try {
      await consumer.set('key', 'kept');
      const ended = new Promise((resolve) => producer.once('close', resolve));
      await shaky.kill();
      await ended;
      await expect(new Sequence(producer).next()).rejects.toMatchObject({ code: 'queue_unavailable', retryAfterS: 2 });
      const waiting = consumer.get('key');
      await shaky.resume();
      expect(await waiting).toBe('kept');
    } finally {
      producer.disconnect();
      consumer.disconnect();
      await shaky.stop();
    }
  });
});
