import type { Socket } from 'node:net';
import { CancelWatch } from '@rerank-fleet/core/adapters/redis/cancel-watch';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { ResultBoard } from '@rerank-fleet/core/adapters/redis/result-board';
import { ResultInbox } from '@rerank-fleet/core/adapters/redis/result-inbox';
import { Subscription } from '@rerank-fleet/core/adapters/redis/subscription';
import { describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { RedisRig } from './redis-support.js';

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;
const rig = new RedisRig();

describe('Subscription', () => {
  it('is renewed with each connection', async () => {
    const heard: string[] = [];
    await Subscription.open(await rig.connect('consumer', 'listener'), 'news', (message) => heard.push(message));
    for (const message of ['first', 'second']) {
      await rig.cut('listener');
      await expect.poll(() => rig.redis.publish('news', message)).toBe(1);
    }
    await expect.poll(() => heard).toEqual(['first', 'second']);
  });

  it('may be closed while it is being renewed, without a rejection that nobody catches', async () => {
    const connection = await rig.connect('consumer', 'listener');
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
    await rig.cut('listener');
    await again;
    await closed;
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(uncaught).toEqual([]);
  });
});

describe('ResultBoard', () => {
  it('keeps the fence of a call no longer than the call', async () => {
    const board = new ResultBoard(rig.redis);
    await board.takeFence('a', 90_000);
    expect(await rig.redis.pttl('{rf}:fence:a')).toBeLessThanOrEqual(90_000);
  });

  it('starts anew with a task that was forgotten', async () => {
    const board = new ResultBoard(rig.redis);
    await board.takeFence('a');
    await board.giveBack('a');
    await board.forget('a');
    expect([await board.takeFence('a'), await board.timesGivenBack('a')]).toEqual([1, 0]);
  });

  it('counts how often a task was taken', async () => {
    const board = new ResultBoard(rig.redis);
    expect([await board.takeFence('a'), await board.takeFence('a'), await board.takeFence('b')]).toEqual([1, 2, 1]);
  });

  it('lets only the latest holder publish', async () => {
    const board = new ResultBoard(rig.redis);
    const [first, second] = [await board.takeFence('a'), await board.takeFence('a')];
    expect(await board.publish('a', first, 'early', { ttlMs: HOUR_MS })).toBe(false);
    expect(await board.hasResult('a')).toBe(false);
    expect(await board.publish('a', second, 'right', { ttlMs: HOUR_MS })).toBe(true);
  });

  it('sends a small result whole to the inbox that waits, and tells no other', async () => {
    const [board, inbox] = [new ResultBoard(rig.redis), await rig.openInbox()];
    const [whole, told] = [await rig.listen(`{rf}:results:${inbox.address}`), await rig.listen('{rf}:results')];
    const answer = inbox.wait('a', never);
    const result = 'of a,\nin lines';
    await board.publish('a', await board.takeFence('a'), result, { ttlMs: HOUR_MS, replyTo: inbox.address });
    expect(await answer).toBe(result);
    await expect.poll(() => whole).toEqual([`a\n${result}`]);
    expect(await rig.redis.get('{rf}:result:a')).toBe(result);
    await expect.poll(() => rig.redis.pttl('{rf}:result:a')).toBeLessThanOrEqual(10_000);
    await board.publish('b', await board.takeFence('b'), 'of b', { ttlMs: HOUR_MS });
    await expect.poll(() => told).toEqual(['b']);
  });

  it('sends a large result by its id, to be read', async () => {
    const [board, inbox] = [new ResultBoard(rig.redis), await rig.openInbox()];
    const told = await rig.listen(`{rf}:results:${inbox.address}`);
    const large = 'x'.repeat(65_537);
    const answer = inbox.wait('a', never);
    await board.publish('a', await board.takeFence('a'), large, { ttlMs: HOUR_MS, replyTo: inbox.address });
    expect(await answer).toBe(large);
    await expect.poll(() => told).toEqual(['a']);
  });

  it('is written once', async () => {
    const [board, inbox] = [new ResultBoard(rig.redis), await rig.openInbox()];
    const fence = await board.takeFence('a');
    const answer = inbox.wait('a', never);
    expect(await board.publish('a', fence, 'first', { ttlMs: HOUR_MS })).toBe(true);
    expect(await board.publish('a', fence, 'second', { ttlMs: HOUR_MS })).toBe(false);
    expect(await answer).toBe('first');
    expect(await board.publish('never-taken', 1, 'x', { ttlMs: HOUR_MS })).toBe(false);
  });

  it('says so when Redis gives no fence', async () => {
    await rig.redis.set('{rf}:fence:a', 'no number');
    await expect(new ResultBoard(rig.redis).takeFence('a')).rejects.toThrow(/not an integer/);
  });
});

describe('ResultInbox', () => {
  it('gives each waiter its own result', async () => {
    const [board, inbox] = [new ResultBoard(rig.redis), await rig.openInbox()];
    const answers = ['a', 'b'].map((id) => inbox.wait(id, never));
    for (const id of ['b', 'a']) await board.publish(id, await board.takeFence(id), `of ${id}`, { ttlMs: HOUR_MS });
    expect(await Promise.all(answers)).toEqual(['of a', 'of b']);
  });

  it('rejects with the reason of the signal', async () => {
    const inbox = await rig.openInbox();
    const controller = new AbortController();
    const answer = inbox.wait('a', controller.signal);
    controller.abort(new Error('nobody waits'));
    await expect(answer).rejects.toThrow('nobody waits');
    await expect(inbox.wait('a', controller.signal)).rejects.toThrow('nobody waits');
  });

  it('finds by itself a result whose message was lost', async () => {
    const inbox = await rig.openInbox();
    const answer = inbox.wait('a', never);
    await rig.redis.set('{rf}:result:a', 'missed');
    expect(await answer).toBe('missed');
  });

  it('hears of results again after its subscription was cut', async () => {
    const [board, inbox] = [new ResultBoard(rig.redis), await rig.openInbox()];
    await rig.cut('inbox');
    for (const channel of ['{rf}:results', `{rf}:results:${inbox.address}`])
      await expect.poll(() => rig.redis.pubsub('NUMSUB', channel), { timeout: 5_000 }).toEqual([channel, 1]);
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
    const watch = await CancelWatch.start(rig.redis, await rig.connect('consumer', 'cancels'));
    rig.closers.push(() => watch.stop());
    return watch;
  };

  it('aborts a task in hand, in whatever process it is, and no other', async () => {
    const [watch, inbox] = [await start(), await rig.openInbox()];
    const [mine, other] = [new AbortController(), new AbortController()];
    await watch.follow('a', mine);
    await watch.follow('b', other);
    const aborted = new Promise((resolve) => mine.signal.addEventListener('abort', resolve));
    await inbox.cancel('a', HOUR_MS);
    await aborted;
    expect(other.signal.aborted).toBe(false);
  });

  it('aborts at once a task that was cancelled before it was taken', async () => {
    const [watch, inbox] = [await start(), await rig.openInbox()];
    await inbox.cancel('a', HOUR_MS);
    const controller = new AbortController();
    await watch.follow('a', controller);
    expect(controller.signal.aborted).toBe(true);
  });

  it('leaves a task alone that it was told to release', async () => {
    const [watch, inbox] = [await start(), await rig.openInbox()];
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
