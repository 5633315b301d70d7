import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, startRedisCluster, startRedisSentinels, type RedisTopology } from '../support/redis-topologies.js';
import { RedisServer } from '../support/redis-server.js';
import { startTestStack, until, type TestStack } from '../support/stack.js';
import { writeTinyModel } from '../support/tiny-models/index.js';

const run = promisify(execFile);
const ROWS = 30;

let root: string;
let models: NodeJS.ProcessEnv;
const endings: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-redis-kinds-'));
  await writeTinyModel(join(root, 'reranker'), { kind: 'cross-encoder', layout: 'bert' });
  await writeTinyModel(join(root, 'embedder'), { kind: 'embedder', layout: 'bert' });
  models = { RERANK_MODELS: join(root, 'reranker'), EMBEDDING_MODEL: join(root, 'embedder') };
});

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

afterAll(() => rm(root, { recursive: true, force: true }));

async function stackOn(url: string): Promise<TestStack> {
  const stack = await startTestStack({ environment: models, stack: { redisUrl: url } });
  endings.push(() => stack.stop());
  return stack;
}

const rerank = async ({ client }: TestStack): Promise<number> => {
  const { results } = await client.rerank({ query: 'apple tree', documents: ['a tree', 'an apple', 'a stone'] });
  return results.length;
};

/** A job whose rows all end well. */
async function runJob({ client }: TestStack, meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<void> {
  const requests = Array.from({ length: ROWS }, (_, row) => ({
    custom_id: String(row),
    query: `apple ${row}`,
    documents: ['a tree', 'an apple', 'a stone'],
  }));
  const job = await client.submitJob({ requests });
  await meanwhile();
  await until('the end of the job', async () => (await client.getJob(job.id).catch(() => undefined))?.status === 'completed', 60_000);
  const ended = await client.getJob(job.id);
  expect(ended.request_counts).toMatchObject({ total: ROWS, succeeded: ROWS });
}

const untilServed = (stack: TestStack): Promise<void> =>
  until('a call after the failover', async () => (await rerank(stack).catch(() => 0)) === 3, 60_000);

/** The server that the keys of ours are on. */
async function masterOf({ servers }: RedisTopology): Promise<RedisServer> {
  for (const server of servers) {
    const isMaster = String(await ask(server, 'INFO', 'replication')).includes('role:master');
    if (isMaster && Number(await ask(server, 'DBSIZE')) > 0) return server;
  }
  throw new Error('No master has a key.');
}

describe('a Redis Cluster', () => {
  it('serves calls and jobs, also when the master of our slot dies under a job', async () => {
    const cluster = await startRedisCluster();
    endings.push(() => cluster.stop());
    const stack = await stackOn(cluster.url);
    expect(await rerank(stack)).toBe(3);
    const holders = await Promise.all(cluster.servers.slice(0, 3).map((server) => ask(server, 'DBSIZE')));
    expect(holders.filter((keys) => Number(keys) > 0)).toHaveLength(1);
    await runJob(stack, async () => await (await masterOf(cluster)).kill());
    await untilServed(stack);
  }, 120_000);
});

describe('a Redis behind sentinels', () => {
  it('serves calls and jobs, also when the master dies under a job', async () => {
    const sentinels = await startRedisSentinels();
    endings.push(() => sentinels.stop());
    const stack = await stackOn(sentinels.url);
    expect(await rerank(stack)).toBe(3);
    await runJob(stack, async () => await sentinels.servers[0]!.kill());
    await untilServed(stack);
    expect(String(await ask(sentinels.servers[1]!, 'INFO', 'replication'))).toContain('role:master');
  }, 120_000);
});

describe('a Redis with TLS and an ACL user', () => {
  it('serves calls and jobs of a user that may touch only our keys and channels', async (context) => {
    const openssl = await run('openssl', ['version']).catch(() => undefined);
    context.skip(openssl === undefined, 'openssl is not there: no certificate can be made');
    const redis = await RedisServer.start();
    endings.push(() => redis.stop());
    await ask(
      redis,
      'ACL',
      'SETUSER',
      'fleet',
      'on',
      '>s3cret/!',
      'resetchannels',
      '~{rf}*',
      '&{rf}*',
      '+@all',
      '-@dangerous',
      '+info',
      '+client',
      '+config|get',
    );
    await ask(redis, 'ACL', 'SETUSER', 'default', 'off');
    const { port, ca } = await startTlsDoor(redis);
    const stack = await stackOn(`rediss://fleet:s3cret%2F!@localhost:${port}?ca=${encodeURIComponent(ca)}`);
    expect(await rerank(stack)).toBe(3);
    await runJob(stack);
    expect(stack.said()).not.toContain('s3cret');
  }, 60_000);
});

/** Ends TLS in front of a server, which redis-server itself does only where it was built with it. */
async function startTlsDoor(redis: RedisServer): Promise<{ readonly port: number; readonly ca: string }> {
  const [key, cert] = [join(root, 'key.pem'), join(root, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-keyout', key, '-out', cert, ...subject]);
  const target = Number(new URL(redis.url).port);
  const server: Server = createServer({ key: await readFile(key), cert: await readFile(cert) }, (client) => {
    const upstream = connect(target, '127.0.0.1');
    client.on('error', () => upstream.destroy()).pipe(upstream);
    upstream.on('error', () => client.destroy()).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endings.push(async () => void server.close());
  return { port: (server.address() as AddressInfo).port, ca: cert };
}
