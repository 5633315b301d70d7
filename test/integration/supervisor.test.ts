import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveRedisBinary } from '@rerank-fleet/cli/up/redis-binary';
import { StackError } from '@rerank-fleet/cli/up/stack-error';
import type { RunningStack, StackOptions } from '@rerank-fleet/cli/up/stack-options';
import { startStack } from '@rerank-fleet/cli/up/start-stack';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';

const program = (name: string): string => fileURLToPath(new URL(`./supervisor-programs/${name}.mjs`, import.meta.url));

// eslint-disable-next-line no-restricted-syntax -- a test has no configuration; this is what a shell would hand on
const ENVIRONMENT = process.env;
const cacheDirectory = defaultCacheDirectory(ENVIRONMENT.XDG_CACHE_HOME);

let home: string;
let written: string;
const running: RunningStack[] = [];
const supervisors: ChildProcess[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rerank-stack-'));
  written = '';
});

afterEach(async () => {
  for (const supervisor of supervisors.splice(0)) supervisor.kill('SIGKILL');
  await Promise.all(running.splice(0).map((stack) => stack.kill()));
  await rm(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});

const eventsPath = (): string => join(home, 'events');

function options(more: Partial<StackOptions> = {}, environment: NodeJS.ProcessEnv = {}): StackOptions {
  return {
    stateDirectory: join(home, 'state'),
    cacheDirectory,
    environment: { ...ENVIRONMENT, FAKE_EVENTS: eventsPath(), ...environment },
    port: 0,
    apiEntry: program('api'),
    workerEntry: program('worker'),
    output: { write: (text) => (written += text) },
    drainMs: 3_000,
    restarts: { minDelayMs: 30, maxDelayMs: 200, firstStarts: 3 },
    ...more,
  };
}

async function start(more: Partial<StackOptions> = {}, environment: NodeJS.ProcessEnv = {}): Promise<RunningStack> {
  const stack = await startStack(options(more, environment));
  running.push(stack);
  return stack;
}

const events = async (): Promise<string[]> => (await readFile(eventsPath(), 'utf8').catch(() => '')).trim().split('\n');

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited 15 s for: ${what}`);
    await sleep(20);
  }
}

/** One exchange with Redis, in its inline protocol. */
async function redis(url: string, command: string): Promise<string> {
  const { port, password } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8');
  socket.write(`AUTH ${password}\r\n${command}\r\nQUIT\r\n`);
  let received = '';
  socket.on('data', (chunk: string) => (received += chunk));
  await once(socket, 'close');
  return received;
}

const pid = (stack: RunningStack, name: string): number => stack.pids().get(name) ?? Number.NaN;

async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as Error,
  );
}

describe('startStack', () => {
  it('runs a private Redis, the API and a worker, and prefixes their lines', async () => {
    const stack = await start();
    expect([...stack.pids().keys()]).toEqual(['redis', 'api', 'worker']);
    expect(await (await fetch(stack.url)).text()).toBe('ok');
    expect(await redis(stack.redisUrl, 'CONFIG GET maxmemory-policy')).toContain('noeviction');
    expect(await redis(stack.redisUrl, 'CONFIG GET appendonly')).toContain('yes');
    await until('both programs to speak', () => written.includes('api      | api speaks') && written.includes('worker   | worker speaks'));
    expect(written).toMatch(/^redis {4}\| .*Ready to accept connections/m);
  });

  it.each([
    [9464, ['api has ops port 9464', 'worker has ops port 9465', 'worker has ops port 9466']],
    [0, ['api has ops port 0', 'worker has ops port 0', 'worker has ops port 0']],
    [undefined, []],
  ])('gives each process a port of its own for metrics, from %s on', async (opsPort, expected) => {
    await start({ opsPort, workers: 2 });
    const told = async (): Promise<string[]> => (await events()).filter((event) => event.includes('ops port'));
    expect((await told()).toSorted()).toEqual(expected);
  });

  it('keeps strangers out of its Redis and its folders', async () => {
    const stack = await start();
    const state = join(home, 'state');
    const stranger = new URL(stack.redisUrl);
    stranger.password = 'guess';
    expect(await redis(stranger.href, 'PING')).toContain('NOAUTH');
    expect((await stat(state)).mode & 0o777).toBe(0o700);
    expect((await stat(join(state, 'redis'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(state, 'redis', 'password'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(state, 'redis', 'redis.conf'))).mode & 0o777).toBe(0o600);
    const commandLine = await readFile(`/proc/${pid(stack, 'redis')}/cmdline`, 'utf8').catch(() => '');
    expect(commandLine).not.toContain(new URL(stack.redisUrl).password);
  });

  it('starts a killed worker, API and Redis again, on the same address', async () => {
    const stack = await start();
    for (const name of ['worker', 'api', 'redis']) {
      const before = pid(stack, name);
      process.kill(before, 'SIGKILL');
      await until(`${name} to be back`, () => (stack.pids().get(name) ?? before) !== before);
    }
    await until('Redis to serve', async () => (await redis(stack.redisUrl, 'PING').catch(() => '')).includes('+PONG'));
    await until(
      'the worker to have started twice',
      async () => (await events()).filter((event) => event.startsWith('worker started')).length === 2,
    );
    expect(written).toMatch(/worker {3}\| ended \(SIGKILL\)/);
  });

  it('starts a worker that ends to give its memory back again at once, time and again: that is no failure', async () => {
    const stack = await start({ restarts: { minDelayMs: 600_000, maxDelayMs: 600_000, firstStarts: 1 } });
    for (let turn = 1; turn <= 3; turn += 1) {
      const before = pid(stack, 'worker');
      process.kill(before, 'SIGUSR2');
      await until('a new worker', () => isAlive(pid(stack, 'worker')) && pid(stack, 'worker') !== before);
      await until('its readiness', async () => (await events()).filter((event) => event.startsWith('worker started')).length === turn + 1);
    }
    expect(written.match(/worker {3}\| ended to give its memory back; starting again$/gm)).toHaveLength(3);
    expect(written).not.toContain('starting again in');
  });

  it('keeps data, port and password between runs', async () => {
    const first = await start();
    await redis(first.redisUrl, 'SET kept yes');
    await first.stop();
    const second = await start();
    expect(second.redisUrl).toBe(first.redisUrl);
    expect(await redis(second.redisUrl, 'GET kept')).toContain('yes');
  });

  it('takes another port for Redis when somebody has its own', async () => {
    const first = await start();
    const port = Number(new URL(first.redisUrl).port);
    await redis(first.redisUrl, 'SET kept yes');
    await first.stop();
    const squatter = createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    try {
      const second = await start();
      expect(new URL(second.redisUrl).port).not.toBe(String(port));
      expect(await redis(second.redisUrl, 'GET kept')).toContain('yes');
    } finally {
      squatter.close();
    }
  });

  it('drains the API, then the worker, then Redis', async () => {
    const stack = await start({}, { FAKE_DRAIN_MS: '200' });
    const redisPid = pid(stack, 'redis');
    await redis(stack.redisUrl, 'SET kept yes');
    await stack.stop();
    const order = (await events()).filter((event) => /drain/.test(event));
    expect(order).toEqual(['api draining', 'api drained', 'worker draining', 'worker drained']);
    expect(isAlive(redisPid)).toBe(false);
    await expect(stack.closed).resolves.toBeUndefined();
  });

  it('kills what does not drain in its time, and at once when told to', async () => {
    const slow = await start({ drainMs: 400 }, { FAKE_IGNORE_TERM: 'worker' });
    const worker = pid(slow, 'worker');
    await slow.stop();
    expect(isAlive(worker)).toBe(false);
    const hurried = await start({ drainMs: 60_000 }, { FAKE_IGNORE_TERM: 'api' });
    const api = pid(hurried, 'api');
    void hurried.stop();
    await until('the drain to begin', async () => (await events()).at(-1) === 'api draining');
    await hurried.kill();
    expect(isAlive(api)).toBe(false);
  });

  it('does not start on a state directory that another stack has', async () => {
    await start();
    const error = await failure(startStack(options()));
    expect(error).toBeInstanceOf(StackError);
    expect(error.message).toContain(`process ${process.pid}`);
    expect(error.message).toContain(join(home, 'state'));
  });

  it('stops everything with the API’s last words when its port is taken', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const { port } = squatter.address() as { port: number };
    try {
      const error = await failure(startStack(options({ port })));
      expect(error).toMatchObject({ name: 'StackError', exitCode: 78 });
      expect(error.message).toContain(`port ${port} is taken`);
      expect((await events()).filter((event) => event === 'worker draining').length).toBeLessThanOrEqual(1);
      const again = await start();
      expect(again.pids().size).toBe(3);
    } finally {
      squatter.close();
    }
  });

  it('gives up a worker that never becomes ready, with its last words', async () => {
    const error = await failure(startStack(options({}, { FAKE_WORKER_FAILS: '1' })));
    expect(error.message).toContain('worker did not start in 3 attempts (exit 1)');
    expect(error.message).toContain('the model is not there');
  });

  it('says what to do about a damaged append-only file', async () => {
    const first = await start();
    await redis(first.redisUrl, 'SET kept yes');
    await first.stop();
    const { version } = await resolveRedisBinary({ cacheDirectory });
    const directory = join(home, 'state', 'redis');
    const aof =
      Number(version.split('.')[0]) >= 7
        ? join(directory, 'appendonlydir', 'appendonly.aof.1.incr.aof')
        : join(directory, 'appendonly.aof');
    await writeFile(aof, '*3\r\n$3\r\nSET\r\nnonsense\r\n'.repeat(5));
    const error = await failure(startStack(options()));
    expect(error.message).toContain('redis-check-aof');
    expect(error.message).toContain(directory);
  });

  it('says what to do about a state directory that is a file', async () => {
    await writeFile(join(home, 'file'), '');
    const error = await failure(startStack(options({ stateDirectory: join(home, 'file') })));
    expect(error.message).toContain('RERANK_STATE_DIR');
  });

  it('ends what it has begun when it is stopped during the start', async () => {
    const ending = new AbortController();
    const starting = startStack(options({ signal: ending.signal }, { FAKE_DRAIN_MS: '50' }));
    ending.abort(new Error('changed my mind'));
    expect((await failure(starting)).message).toBe('changed my mind');
    const again = await start();
    expect(again.pids().size).toBe(3);
  });

  it('uses a Redis that it is given', async () => {
    const own = await start();
    await mkdir(join(home, 'other'));
    const second = await start({ stateDirectory: join(home, 'other'), redisUrl: own.redisUrl });
    expect([...second.pids().keys()]).toEqual(['api', 'worker']);
    expect(second.redisUrl).toBe(own.redisUrl);
  });
});

describe('kill -9 of the supervisor', () => {
  async function supervise(): Promise<{ supervisor: ChildProcess; pids: Map<string, number>; redisUrl: string }> {
    const { environment, output, ...rest } = options();
    expect(output).toBeDefined();
    const supervisor = fork(program('supervisor'), [JSON.stringify(rest)], { env: environment });
    supervisors.push(supervisor);
    const [message] = (await once(supervisor, 'message')) as [{ pids: [string, number][]; redisUrl: string }];
    return { supervisor, pids: new Map(message.pids), redisUrl: message.redisUrl };
  }

  it('leaves no process behind, and the next stack finds its data', async () => {
    const { supervisor, pids, redisUrl } = await supervise();
    expect(pids.size).toBe(3);
    await redis(redisUrl, 'SET kept yes');
    supervisor.kill('SIGKILL');
    await until('every process to end', () => [...pids.values()].every((childPid) => !isAlive(childPid)));
    const next = await start();
    expect(await redis(next.redisUrl, 'GET kept')).toContain('yes');
  });

  it('does not hold the state directory', async () => {
    const { supervisor } = await supervise();
    supervisor.kill('SIGKILL');
    await once(supervisor, 'exit');
    const next = await start();
    expect(next.pids().size).toBe(3);
  });

  it('ends Redis by its guardian where the system has no parent-death signal', async () => {
    const owner = fork(program('redis-owner'), [home, cacheDirectory]);
    supervisors.push(owner);
    const [{ pid: redisPid }] = (await once(owner, 'message')) as [{ pid: number }];
    expect(isAlive(redisPid)).toBe(true);
    owner.kill('SIGKILL');
    await until('Redis to end', () => !isAlive(redisPid));
  });
});
