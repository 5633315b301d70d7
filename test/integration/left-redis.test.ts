import { endLeftRedis } from '@rerank-fleet/cli/up/left-redis';
import { createLogs } from '@rerank-fleet/cli/up/prefixed-output';
import { resolveRedisBinary } from '@rerank-fleet/cli/up/redis-binary';
import { prepareRedis, type RedisSettings } from '@rerank-fleet/cli/up/redis-settings';
import { startRedis } from '@rerank-fleet/cli/up/start-redis';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeStateDirectory, processesOf, removeFolder, testCacheDirectory } from '../support/stack.js';

let directory: string;
let left: ChildProcess;
let settings: RedisSettings;

beforeEach(async () => {
  directory = await makeStateDirectory();
  const { command } = await resolveRedisBinary({ cacheDirectory: testCacheDirectory() });
  const log = createLogs({ write: () => undefined })('redis');
  settings = await prepareRedis(directory, new Set());
  left = await startRedis({ command, settings, log, signal: new AbortController().signal });
});

afterEach(async () => {
  left.kill('SIGKILL');
  await removeFolder(directory);
});

describe('a Redis that an earlier supervisor left', () => {
  it('is ended before another gets the folder, which keeps its port', async () => {
    await prepareRedis(directory, new Set());
    expect(await processesOf(directory)).toEqual([]);
    expect((await prepareRedis(directory, new Set())).port).toBe(settings.port);
  });

  it('is waited for while it is stopped and does not answer', async () => {
    left.kill('SIGSTOP');
    let isPrepared = false;
    const prepared = prepareRedis(directory, new Set()).finally(() => (isPrepared = true));
    // Longer than a probe waits for its answer.
    await sleep(2_500);
    expect(isPrepared).toBe(false);
    left.kill('SIGCONT');
    await prepared;
    expect(await processesOf(directory)).toEqual([]);
  });

  it('is named where it does not end', async () => {
    left.kill('SIGSTOP');
    const { port, password } = settings;
    await expect(endLeftRedis(directory, port, password, 500)).rejects.toThrow(new RegExp(`process ${left.pid}, port ${port}.*Stop it`));
    expect(await processesOf(directory)).toEqual([left.pid]);
  });

  it('is ended also where another is to have its port', async () => {
    const { port } = await prepareRedis(directory, new Set([settings.port]));
    expect(await processesOf(directory)).toEqual([]);
    expect(port).not.toBe(settings.port);
  });

  it('is waited for also where its port is not known any more', async (context) => {
    context.skip(process.platform !== 'linux', 'only /proc tells where a process works');
    await rm(join(directory, 'port'));
    let isPrepared = false;
    const prepared = prepareRedis(directory, new Set()).finally(() => (isPrepared = true));
    await sleep(500);
    expect(isPrepared).toBe(false);
    left.kill('SIGTERM');
    await prepared;
    expect(await processesOf(directory)).toEqual([]);
  });

  it('is told by its folder from another process that got its pid', async (context) => {
    context.skip(process.platform !== 'linux', 'only /proc tells where a process works');
    const { port, password } = settings;
    const ended = once(left, 'exit');
    left.kill('SIGTERM');
    await ended;
    const elsewhere = await sleeper(tmpdir());
    const inFolder = await sleeper(directory);
    try {
      await writeFile(join(directory, 'pid'), `${String(elsewhere.pid)}\n`);
      expect((await prepareRedis(directory, new Set())).port).toBe(port);
      expect(elsewhere.exitCode ?? elsewhere.signalCode).toBeNull();
      await writeFile(join(directory, 'pid'), `${String(inFolder.pid)}\n`);
      await expect(endLeftRedis(directory, port, password, 300)).rejects.toThrow(`process ${String(inFolder.pid)}`);
    } finally {
      elsewhere.kill('SIGKILL');
      inFolder.kill('SIGKILL');
    }
  });
});

/** A process that does nothing in that folder. */
async function sleeper(cwd: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1_000)'], { cwd, stdio: 'ignore' });
  await once(child, 'spawn');
  return child;
}
