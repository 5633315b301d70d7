import { endLeftRedis } from '@rerank-fleet/cli/up/left-redis';
import { createLogs } from '@rerank-fleet/cli/up/prefixed-output';
import { resolveRedisBinary } from '@rerank-fleet/cli/up/redis-binary';
import { prepareRedis, type RedisSettings } from '@rerank-fleet/cli/up/redis-settings';
import { startRedis } from '@rerank-fleet/cli/up/start-redis';
import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAlive, makeStateDirectory, processesOf, removeFolder, testCacheDirectory } from '../support/stack.js';

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

  it('is not taken for another process that got its pid', async (context) => {
    context.skip(process.platform !== 'linux', 'only /proc tells where a process works');
    const ended = new Promise((resolve) => left.once('exit', resolve));
    left.kill('SIGTERM');
    await ended;
    await writeFile(join(directory, 'pid'), `${process.pid}\n`);
    await prepareRedis(directory, new Set());
    expect(isAlive(process.pid)).toBe(true);
  });
});
