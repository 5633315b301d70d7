import { findFreePort } from '@rerank-fleet/cli/up/redis-probe';
import { once } from 'node:events';
import { chmod, cp, mkdir, open, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertNothingRuns, isAlive, makeStateDirectory, removeFolder, testCacheDirectory, testEnvironment } from '../support/stack.js';
import { rerankUp, type UpProcess } from './rerank-up.js';

const RERANKER = 'ms-marco-MiniLM-L-12-v2';
/** EX_CONFIG: starting again cannot help. */
const EXIT_CONFIG = 78;

let home: string;
let started: UpProcess[];

const stateDirectory = (): string => join(home, 'state');

beforeEach(async () => {
  home = await makeStateDirectory();
  started = [];
});

afterEach(async () => {
  for (const up of started) if (isAlive(up.pid)) up.kill('SIGTERM');
  await Promise.all(started.map(({ ended }) => ended));
  await assertNothingRuns(home);
  await removeFolder(home);
});

function up(options: { readonly port?: number; readonly environment?: NodeJS.ProcessEnv } = {}): UpProcess {
  const process = rerankUp({ stateDirectory: stateDirectory(), ...options });
  started.push(process);
  return process;
}

/** It ended by itself with this status, said this, and left nothing running. */
async function expectRefusal(
  process: UpProcess,
  { status, says }: { readonly status: number; readonly says: readonly RegExp[] },
): Promise<void> {
  expect({ status: await process.ended, said: process.said() }).toEqual({ status, said: expect.any(String) as string });
  for (const pattern of says) expect(process.said()).toMatch(pattern);
  expect(process.said()).not.toMatch(/^\s+at .*\(?(file:|node:|\/)/m);
  await assertNothingRuns(home);
}

describe('a damaged model', () => {
  /** A cache like the machine's own, in which the file of the reranker is a copy that may be damaged. */
  async function copiedCache(): Promise<{ readonly environment: NodeJS.ProcessEnv; readonly onnxPath: string }> {
    const real = testCacheDirectory();
    const copy = join(home, 'cache', 'rerank-fleet');
    await mkdir(join(copy, 'models'), { recursive: true });
    for (const name of (await readdir(real)).filter((entry) => entry.startsWith('redis-')))
      await symlink(join(real, name), join(copy, name));
    const models = (await readdir(join(real, 'models'))).filter((entry) => entry.includes('@int8'));
    for (const name of models) {
      if (name.startsWith(RERANKER)) await cp(join(real, 'models', name), join(copy, 'models', name), { recursive: true });
      else await symlink(join(real, 'models', name), join(copy, 'models', name));
    }
    return { environment: { XDG_CACHE_HOME: join(home, 'cache') }, onnxPath: join(copy, 'models', `${RERANKER}@int8`, 'model.onnx') };
  }

  async function flipByte(path: string): Promise<void> {
    const file = await open(path, 'r+');
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 20_000_000);
    await file.write(Buffer.from([buffer[0]! ^ 0xff]), 0, 1, 20_000_000);
    await file.close();
  }

  it.each([
    ['half-downloaded', (path: string) => truncate(path, 12_345_678), /has 12345678 bytes/],
    ['corrupt', flipByte, /checksum/],
  ])('that is %s stops the start with the command that mends it', async (_, damage, why) => {
    const { environment, onnxPath } = await copiedCache();
    await damage(onnxPath);
    const says = [/worker .*configur/, why, new RegExp(`rerank models pull ${RERANKER}`)];
    await expectRefusal(up({ environment }), { status: EXIT_CONFIG, says });
  });

  it('in MODELS_DIR stops the start with the command that mends it', async () => {
    const folder = join(home, 'models', RERANKER);
    await cp(join(testCacheDirectory(), 'models', `${RERANKER}@int8`), folder, { recursive: true });
    await truncate(join(folder, 'model.onnx'), 1_000);
    const says = [/damaged/, /1000 bytes/, new RegExp(`rerank models pull ${RERANKER}`)];
    await expectRefusal(up({ environment: { MODELS_DIR: join(home, 'models') } }), { status: EXIT_CONFIG, says });
  });

  it('that nobody knows stops the start and is named', async () => {
    await expectRefusal(up({ environment: { RERANK_MODELS: 'no-such-model' } }), {
      status: EXIT_CONFIG,
      says: [/no-such-model/, /rerank models list/],
    });
  });
});

describe('a Redis that cannot start', () => {
  it('ends the start with its last words when the program fails', async () => {
    const folder = join(home, 'bin');
    await mkdir(folder);
    const program =
      '#!/bin/sh\nif [ "$1" = --version ]; then echo "Redis server v=7.2.0 sha=0"; exit 0; fi\necho "the binary is broken" >&2\nexit 3\n';
    await writeFile(join(folder, 'redis-server'), program);
    await chmod(join(folder, 'redis-server'), 0o755);
    const environment = { PATH: `${folder}${delimiter}${testEnvironment()['PATH'] ?? ''}` };
    await expectRefusal(up({ environment }), { status: 1, says: [/Redis did not start \(exit 3\)/, /the binary is broken/] });
  });

  it('ends the start and names the folder that cannot be written', async () => {
    const redis = join(stateDirectory(), 'redis');
    // Redis 6 wants a file of the first name, Redis 7 a folder of the second: neither can be had, for root neither.
    await mkdir(join(redis, 'appendonly.aof'), { recursive: true });
    await writeFile(join(redis, 'appendonlydir'), '');
    await expectRefusal(up(), { status: 1, says: [/Redis did not start/, new RegExp(redis)] });
  });

  it('ends the start when its folder is a file', async () => {
    await mkdir(stateDirectory());
    await writeFile(join(stateDirectory(), 'redis'), '');
    await expectRefusal(up(), { status: 1, says: [/cannot be used \(EEXIST\)/, /RERANK_STATE_DIR/] });
  });

  it('is told of when REDIS_URL names one that is not there', async () => {
    const environment = { REDIS_URL: `redis://127.0.0.1:${await findFreePort()}`, LOG_LEVEL: 'fatal' };
    const refused = up({ environment });
    expect(await refused.ended).toBe(2);
    expect(refused.said()).toMatch(/LOG_LEVEL/);
  });
});

describe('rerank up', () => {
  it('says that its port is in use, and how to choose another', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const { port } = squatter.address() as { port: number };
    try {
      await expectRefusal(up({ port }), { status: EXIT_CONFIG, says: [new RegExp(`Port ${port} on 127.0.0.1 is in use`), /PORT/] });
    } finally {
      squatter.close();
    }
  });

  it('does not start on a state directory that another has, which goes on serving', async () => {
    const first = up();
    const url = await first.untilReady();
    const second = up();
    expect(await second.ended).toBe(1);
    expect(second.said()).toMatch(new RegExp(`Another \`rerank up\` \\(process ${first.pid}\\) runs on ${stateDirectory()}`));
    expect(second.said()).toMatch(/RERANK_STATE_DIR/);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  });

  it('refuses a state directory that is no folder', async () => {
    await writeFile(stateDirectory(), '');
    await expectRefusal(up(), { status: 1, says: [/cannot be used/, /RERANK_STATE_DIR/] });
  });

  it('refuses settings that cannot be, all at once and without their values', async () => {
    const environment = { PORT: 'eighty', API_KEYS: '[{"key":"short-secret","tenant":"A"}]' };
    const refused = up({ environment });
    expect(await refused.ended).toBe(2);
    expect(refused.said()).toMatch(/PORT: must be a whole number/);
    expect(refused.said()).toMatch(/API_KEYS/);
    expect(refused.said()).not.toMatch(/short-secret|eighty/);
  });

  it('ends everything it has begun when it is interrupted during the start', async () => {
    const interrupted = up();
    const pid = interrupted.pid;
    expect(isAlive(pid)).toBe(true);
    interrupted.kill('SIGINT');
    expect(await interrupted.ended).not.toBe(0);
    await assertNothingRuns(home);
  });
});
