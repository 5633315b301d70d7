import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { RedisServer } from './redis-server.js';

const SLOTS = 16_384;
const PATIENCE_MS = 30_000;

/** Several redis-servers that are one Redis. */
export interface RedisTopology {
  readonly url: string;
  readonly servers: readonly RedisServer[];
  stop(): Promise<void>;
}

const portOf = (server: RedisServer): number => Number(new URL(server.url).port);

/** Sends one command to one server, outside any client of the product. */
export async function ask(server: RedisServer, ...command: readonly string[]): Promise<unknown> {
  const redis = new Redis(server.url, { maxRetriesPerRequest: 0 });
  redis.on('error', () => {
    // The command rejects with it.
  });
  try {
    const [name = '', ...values] = command;
    return await redis.call(name, ...values);
  } finally {
    redis.disconnect();
  }
}

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end;) {
    if (await condition().catch(() => false)) return;
    await sleep(100);
  }
  throw new Error(`${what} took too long.`);
}

/** Three masters of a Cluster, each with a third of the slots, and a replica for each. */
export async function startRedisCluster(): Promise<RedisTopology> {
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-config-file', 'nodes.conf'];
  const servers = await Promise.all(Array.from({ length: 6 }, () => RedisServer.start({ settings })));
  const [first, ...others] = servers as [RedisServer, ...RedisServer[]];
  const masters = servers.slice(0, 3);
  for (const [at, master] of masters.entries()) {
    const [from, to] = [Math.floor((SLOTS * at) / 3), Math.floor((SLOTS * (at + 1)) / 3)];
    await ask(master, 'CLUSTER', 'ADDSLOTS', ...Array.from({ length: to - from }, (_, slot) => String(from + slot)));
  }
  for (const other of others) await ask(first, 'CLUSTER', 'MEET', '127.0.0.1', String(portOf(other)));
  const isWhole = async (server: RedisServer): Promise<boolean> => {
    const info = String(await ask(server, 'CLUSTER', 'INFO'));
    return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:6');
  };
  await until(async () => (await Promise.all(servers.map(isWhole))).every(Boolean), 'The Cluster');
  for (const [at, replica] of servers.slice(3).entries()) {
    await ask(replica, 'CLUSTER', 'REPLICATE', String(await ask(masters[at]!, 'CLUSTER', 'MYID')));
  }
  const linked = async (replica: RedisServer): Promise<boolean> =>
    String(await ask(replica, 'INFO', 'replication')).includes('link_status:up');
  await until(async () => (await Promise.all(servers.slice(3).map(linked))).every(Boolean), 'The replicas of the Cluster');
  return {
    url: `redis+cluster://${servers.map((server) => `127.0.0.1:${portOf(server)}`).join(',')}`,
    servers,
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

/** A master with a replica, and three sentinels that watch them. */
export async function startRedisSentinels(): Promise<RedisTopology> {
  const master = await RedisServer.start();
  const replica = await RedisServer.start({ settings: ['--replicaof', '127.0.0.1', String(portOf(master))] });
  await until(async () => String(await ask(replica, 'INFO', 'replication')).includes('link_status:up'), 'The replica');
  const folder = await mkdtemp(join(tmpdir(), 'rerank-sentinels-'));
  const sentinels: RedisServer[] = [];
  for (const name of ['a', 'b', 'c']) {
    const path = join(folder, `${name}.conf`);
    const rules = [
      `sentinel monitor ours 127.0.0.1 ${portOf(master)} 2`,
      'sentinel down-after-milliseconds ours 1000',
      'sentinel failover-timeout ours 5000',
    ];
    await writeFile(path, `${rules.join('\n')}\n`);
    sentinels.push(await RedisServer.startSentinel(path));
  }
  const sees = async (sentinel: RedisServer): Promise<boolean> => {
    const entries = (await ask(sentinel, 'SENTINEL', 'MASTER', 'ours')) as string[];
    const value = (name: string): string => entries[entries.indexOf(name) + 1] ?? '';
    return value('num-slaves') === '1' && value('num-other-sentinels') === '2';
  };
  await until(async () => (await Promise.all(sentinels.map(sees))).every(Boolean), 'The sentinels');
  return {
    url: `redis+sentinel://${sentinels.map((sentinel) => `127.0.0.1:${portOf(sentinel)}`).join(',')}/ours`,
    servers: [master, replica],
    stop: async () => {
      await Promise.all([...sentinels, master, replica].map((server) => server.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
