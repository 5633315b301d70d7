import { RerankClient } from '@rerank-fleet/client';
import type { StackOptions } from '@rerank-fleet/cli/up/stack-options';
import { startStack } from '@rerank-fleet/cli/up/start-stack';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a shell of the user may hold, and would make a test talk to something else than its own stack. */
const NOT_OURS = [
  'REDIS_URL',
  'QDRANT_URL',
  'QDRANT_API_KEY',
  'BLOB_URL',
  'API_KEYS',
  'HOST',
  'PORT',
  'OPS_PORT',
  'RERANK_STATE_DIR',
  'MODEL_ALIASES',
  'RETRIEVERS',
];
const GONE_WITHIN_MS = 10_000;

/** The environment that stacks under test start from: the user's own caches and proxies, nothing of a user's own stack. Nothing is tuned, so starts are alike. */
export function testEnvironment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const kept = Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_OURS.includes(name)));
  return { ...kept, LOG_LEVEL: 'warn', AUTO_TUNE: 'false', ...more };
}

export const testCacheDirectory = (): string => defaultCacheDirectory(process.env['XDG_CACHE_HOME']);

export interface TestStackOptions {
  readonly environment?: NodeJS.ProcessEnv;
  /** Kept after `stop()`, for the next start. @defaultValue a new folder, removed by `stop()` */
  readonly stateDirectory?: string;
  readonly apiKey?: string;
  readonly stack?: Partial<Omit<StackOptions, 'environment' | 'stateDirectory'>>;
}

export interface TestStack {
  readonly url: string;
  readonly client: RerankClient;
  readonly stateDirectory: string;
  /** Everything that its processes wrote. */
  said(): string;
  /** Process id of `api`, `worker` or `redis`; NaN while there is none. */
  pid(name: string): number;
  /** One exchange with its Redis. */
  redis(command: string): Promise<string>;
  /** Resolves when a worker has a sync task in hand. */
  untilScoring(): Promise<void>;
  /** Sends SIGTERM through the supervisor; calling it again changes nothing. */
  drain(): Promise<void>;
  /** Stops it. Throws if any of its processes is still there. */
  stop(): Promise<void>;
}

/** The whole stack on free ports: a Redis of its own, the API and a worker with the default models. Ready in about three seconds. */
export async function startTestStack(options: TestStackOptions = {}): Promise<TestStack> {
  const stateDirectory = options.stateDirectory ?? (await makeStateDirectory());
  let written = '';
  const stack = await startStack({
    cacheDirectory: testCacheDirectory(),
    port: 0,
    output: { write: (text) => (written += text) },
    restarts: { minDelayMs: 100 },
    ...options.stack,
    stateDirectory,
    environment: testEnvironment(options.environment),
  }).catch(async (error: unknown) => {
    if (options.stateDirectory === undefined) await removeFolder(stateDirectory);
    throw error;
  });
  const seen = new Set(stack.pids().values());
  const noteAll = (): void => {
    for (const pid of stack.pids().values()) seen.add(pid);
  };
  const redis = (command: string): Promise<string> => askRedis(stack.redisUrl, command);
  return {
    url: stack.url,
    client: new RerankClient({ baseUrl: stack.url, apiKey: options.apiKey }),
    stateDirectory,
    said: () => written,
    pid: (name) => {
      noteAll();
      return stack.pids().get(name) ?? Number.NaN;
    },
    redis,
    untilScoring: () => untilScoring(stack.redisUrl),
    drain: () => stack.stop(),
    stop: async () => {
      noteAll();
      await stack.stop();
      await assertNothingRuns(stateDirectory, seen);
      if (options.stateDirectory === undefined) await removeFolder(stateDirectory);
    },
  };
}

export function makeStateDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'rerank-e2e-'));
}

export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/** Waits for a condition, which is looked at often. Says what it waited for when it gives up. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await sleep(20);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Process ids that belong to a state directory: by environment, command line or working folder. Where there is no /proc the answer is
 * empty, and only processes that were seen are looked for.
 */
export async function processesOf(stateDirectory: string): Promise<number[]> {
  const entries = await readdir('/proc').catch(() => []);
  const pids = entries.filter((name) => /^\d+$/.test(name)).map(Number);
  const owned = await Promise.all(
    pids.map(async (pid) => {
      const read = (name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
      return [await read('environ'), await read('cmdline'), cwd].some((text) => text.includes(stateDirectory));
    }),
  );
  return pids.filter((pid, position) => owned[position] === true && pid !== process.pid);
}

/** Throws, naming them, if processes of a state directory are there after a few seconds; ends them, so that one failure stays one. */
export async function assertNothingRuns(stateDirectory: string, seen: Iterable<number> = []): Promise<void> {
  const running = async (): Promise<number[]> => [...new Set([...(await processesOf(stateDirectory)), ...[...seen].filter(isAlive)])];
  try {
    await until('every process to end', async () => (await running()).length === 0, GONE_WITHIN_MS);
  } catch {
    const left = await running();
    for (const pid of left) process.kill(pid, 'SIGKILL');
    throw new Error(`Processes were left running on ${stateDirectory}: ${left.join(', ')}`);
  }
}

/** Resolves when a worker on this Redis has a sync task in hand. */
export async function untilScoring(redisUrl: string): Promise<void> {
  await until('a task in hand', async () => /:[1-9]/.test(await askRedis(redisUrl, 'LLEN {rf}:sync-default:active')));
}

/** One exchange in Redis' inline protocol; empty if nobody answers. */
export async function askRedis(url: string, command: string): Promise<string> {
  const { port, password } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8');
  socket.on('error', () => undefined);
  socket.write(`AUTH ${password}\r\n${command}\r\nQUIT\r\n`);
  let received = '';
  socket.on('data', (chunk: string) => (received += chunk));
  await once(socket, 'close');
  return received;
}
