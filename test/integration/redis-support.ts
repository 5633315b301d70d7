import { ResultInbox } from '@rerank-fleet/core/adapters/redis/result-inbox';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { Subscription } from '@rerank-fleet/core/adapters/redis/subscription';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { RedisServer } from '../support/redis-server.js';

export type Connection = Awaited<ReturnType<typeof connectRedis>>;

/** A Redis of the file, empty before each test; what a test opens is closed after it. */
export class RedisRig {
  server!: RedisServer;
  redis!: Connection;
  readonly closers: (() => void)[] = [];

  constructor() {
    beforeAll(async () => {
      this.server = await RedisServer.start();
    });
    beforeEach(async () => {
      this.redis = await this.connect('consumer');
      await this.redis.flushall();
    });
    afterEach(() => {
      for (const close of this.closers.splice(0)) close();
    });
    afterAll(() => this.server.stop());
  }

  async connect(role: 'producer' | 'consumer', name = 'test'): Promise<Connection> {
    const connection = await connectRedis(this.server.url, { role, name });
    this.closers.push(() => connection.disconnect());
    return connection;
  }

  async openInbox(): Promise<ResultInbox> {
    const inbox = await ResultInbox.start(await this.connect('producer'), await this.connect('consumer', 'inbox'));
    this.closers.push(() => inbox.stop());
    return inbox;
  }

  /** What is published on a channel from now on. */
  async listen(channel: string): Promise<string[]> {
    const heard: string[] = [];
    const subscription = await Subscription.open(await this.connect('consumer', 'listener'), channel, (message) => heard.push(message));
    this.closers.push(() => subscription.close());
    return heard;
  }

  /** Cuts the connection of that name, as a network or a proxy does. */
  async cut(name: string): Promise<void> {
    const clients = String(await this.redis.client('LIST')).split('\n');
    const ids = clients.filter((line) => line.includes(`name=rerank-fleet-${name} `)).map((line) => /id=(\d+)/.exec(line)?.[1] ?? '');
    expect(ids).not.toEqual([]);
    for (const id of ids) await this.redis.client('KILL', 'ID', id);
  }
}
