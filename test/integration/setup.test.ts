import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SCRIPTS = fileURLToPath(new URL('../../scripts', import.meta.url));

/**
 * A checkout with the real set-up script and an `npm` of our own, which does what the script looks at: the real one takes half a minute and
 * a network, and runs whenever somebody sets up.
 */
let root: string;

/** Appends what it was called with; `ci` lasts as long as the file `slow` says, and fails where there is a file `broken`. */
const NPM = `#!/bin/sh
cd "$(dirname "$0")/.."
echo "npm $1" >> calls
[ -f broken ] && { echo "npm says why" >&2; exit 7; }
if [ "$1" = ci ]; then
  trap 'kill $!; exit 9' INT
  sleep "$(cat slow 2>/dev/null || echo 0)" & wait $!
  mkdir -p node_modules/.bin
  ln -sf '${process.execPath}' node_modules/.bin/node
  cp package-lock.json node_modules/.package-lock.json
else
  mkdir -p apps/cli/dist apps/web/dist
  touch apps/cli/dist/.tsbuildinfo apps/web/dist/index.html
  cp apps/cli/src/main.mjs apps/cli/dist/main.js
fi
`;

/** The command line's part: writes the list of files that it made sure of. */
const CLI = `import { appendFileSync, writeFileSync } from 'node:fs';
appendFileSync('calls', 'rerank setup\\n');
writeFileSync('model', 'weights');
writeFileSync(process.argv[4], JSON.stringify({ files: [{ path: 'model', size: 7 }] }));
`;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-setup-'));
  await cp(SCRIPTS, join(root, 'scripts'), { recursive: true });
  await mkdir(join(root, 'bin'));
  await mkdir(join(root, 'apps/cli/src'), { recursive: true });
  await mkdir(join(root, 'apps/web/src'), { recursive: true });
  await Promise.all([
    writeFile(join(root, 'bin/npm'), NPM),
    writeFile(join(root, 'apps/cli/src/main.mjs'), CLI),
    writeFile(join(root, 'apps/cli/package.json'), '{"type":"module"}'),
    writeFile(join(root, 'apps/web/package.json'), '{"type":"module"}'),
    writeFile(join(root, 'package.json'), '{"type":"module"}'),
    writeLockfile('1.0.0'),
  ]);
  await chmod(join(root, 'bin/npm'), 0o755);
});

afterEach(() => rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));

const writeLockfile = (version: string): Promise<void> =>
  writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {}, 'node_modules/dependency': { version } } }));

function start(...command: string[]): ChildProcess {
  const args = [join(root, 'scripts/setup.mjs'), ...(command.length === 0 ? [] : ['--', ...command])];
  return spawn(process.execPath, args, {
    cwd: root,
    env: { PATH: `${join(root, 'bin')}:/usr/bin:/bin`, HOME: root },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

async function finish(child: ChildProcess): Promise<Ended> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, output };
}

const setUp = (...command: string[]): Promise<Ended> => finish(start(...command));

/** What ran since the last look. */
async function calls(): Promise<string[]> {
  const path = join(root, 'calls');
  const text = await readFile(path, 'utf8').catch(() => '');
  await rm(path, { force: true });
  return text.split('\n').filter((line) => line !== '');
}

async function untilHolds(path: string, text: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await readFile(join(root, path), 'utf8').catch(() => '')).includes(text)) {
    if (Date.now() > deadline) throw new Error(`${path} does not hold ${JSON.stringify(text)} after 10 s`);
    await sleep(10);
  }
}

const untilCalled = (call: string): Promise<void> => untilHolds('calls', call);

/** Until the lock names set-up and the program that it runs. */
const untilLocked = (): Promise<void> => untilHolds('.rerank/setup.lock', '\n');

const EVERYTHING = ['npm ci', 'npm run', 'rerank setup'];

describe('scripts/setup.mjs', () => {
  it('does every step on a fresh checkout, and says nothing and does nothing on the next', async () => {
    expect(await setUp()).toMatchObject({ code: 0 });
    expect(await calls()).toEqual(EVERYTHING);
    expect(await setUp()).toEqual({ code: 0, signal: null, output: '' });
    expect(await calls()).toEqual([]);
  });

  it('repeats only the step whose ground has changed', async () => {
    await setUp();
    await calls();
    await writeLockfile('2.0.0');
    await setUp();
    expect((await calls())[0]).toBe('npm ci');
    await writeFile(join(root, 'apps/cli/src/main.mjs'), `${CLI}\n`);
    await setUp();
    expect(await calls()).toEqual(['npm run']);
    await rm(join(root, 'model'));
    await setUp();
    expect(await calls()).toEqual(['rerank setup']);
    for (const built of ['apps/cli/dist', 'apps/web/dist']) {
      await rm(join(root, built), { recursive: true });
      await setUp();
      expect(await calls()).toEqual(['npm run']);
    }
    await writeFile(join(root, 'apps/web/src/page.test.tsx'), '');
    await setUp();
    expect(await calls()).toEqual([]);
    await writeFile(join(root, 'apps/web/vite.config.mjs'), '');
    await setUp();
    expect(await calls()).toEqual(['npm run']);
  });

  it('takes over packages that somebody else installed', async () => {
    await setUp();
    await calls();
    await writeLockfile('2.0.0');
    await cp(join(root, 'package-lock.json'), join(root, 'node_modules/.package-lock.json'));
    await setUp();
    expect(await calls()).not.toContain('npm ci');
  });

  it('installs once when two run at once', async () => {
    await writeFile(join(root, 'slow'), '0.5');
    const [first, second] = [start(), start()];
    const ended = await Promise.all([finish(first), finish(second)]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    expect(ended.map(({ output }) => output).join()).toContain('another set-up');
    expect(await calls()).toEqual(EVERYTHING);
  });

  it('can be interrupted, and begins the step again', async () => {
    await writeFile(join(root, 'slow'), '20');
    const child = start();
    const ended = finish(child);
    await untilCalled('npm ci');
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    await writeFile(join(root, 'slow'), '0');
    await calls();
    expect((await setUp()).code).toBe(0);
    expect(await calls()).toEqual(EVERYTHING);
  });

  it('waits for what a killed one left running, and takes its lock', async () => {
    await writeFile(join(root, 'slow'), '1');
    const child = start();
    const ended = finish(child);
    await untilCalled('npm ci');
    await untilLocked();
    child.kill('SIGKILL');
    await ended;
    const next = await setUp();
    expect(next.code).toBe(0);
    expect(next.output).toContain('another set-up');
    expect(await calls()).toEqual(EVERYTHING);
  });

  it('shows npm’s output when it fails', async () => {
    await writeFile(join(root, 'broken'), '');
    const { code, output } = await setUp();
    expect(code).toBe(1);
    expect(output).toContain('npm says why');
  });
});

describe('the command after --', () => {
  it('runs on this checkout’s programs, and its status is ours', async () => {
    const { code, output } = await setUp('sh', '-c', 'command -v node; exit 3');
    expect(code).toBe(3);
    expect(output).toContain(join(root, 'node_modules/.bin/node'));
  });

  it('does not run when set-up failed', async () => {
    await writeFile(join(root, 'broken'), '');
    expect((await setUp('touch', 'ran')).code).toBe(1);
    await expect(readFile(join(root, 'ran'))).rejects.toThrow('ENOENT');
  });

  it('gets the signals that we get', async () => {
    await setUp();
    const child = start('sh', '-c', 'trap "echo drained; exit 5" TERM; echo begun >> calls; while :; do sleep 0.05; done');
    const ended = finish(child);
    await untilCalled('begun');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 5, output: expect.stringContaining('drained') as string });
  });

  it('dies, and so do we by the same signal', async () => {
    expect((await setUp('sh', '-c', 'kill -KILL $$')).signal).toBe('SIGKILL');
  });

  it('that is not there is status 127', async () => {
    expect((await setUp('no-such-command')).code).toBe(127);
  });
});
