import { spawn } from 'node:child_process';
import path from 'node:path';
import { expect, describe, it } from 'vitest';
import { type PlantedFiles, withPlantedTree } from './planted-tree.ts';
import { REPOSITORY_ROOT } from './repository-root.ts';

interface Run {
  readonly code: number | null;
  readonly stdout: string;
}

const HEAD = "import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';\n";
const PASSES = "it('adds', () => { expect(1 + 1).toBe(2); });\n";
const FAILS = "it('adds wrongly', () => { expect(1 + 1).toBe(3); });\n";

/** Runs vitest on the files in a process of its own, as `npm test` does, colour asked for. */
async function runVitest(root: string): Promise<Run> {
  const child = spawn(
    process.execPath,
    [
      path.join(REPOSITORY_ROOT, 'node_modules/vitest/vitest.mjs'),
      'run',
      `--root=${root}`,
      '--reporter=default',
      `--reporter=${path.join(REPOSITORY_ROOT, 'test/support/summary-reporter.ts')}`,
    ],
    { cwd: root, env: { PATH: path.dirname(process.execPath), FORCE_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.resume();
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, stdout: Buffer.concat(chunks).toString() };
}

const run = (files: PlantedFiles): Promise<Run> =>
  withPlantedTree({ 'vitest.config.mjs': 'export default { test: { pool: "threads", maxWorkers: 1 } };\n', ...files }, runVitest);

const lastLine = (stdout: string): string => stdout.replace(/\n$/, '').split('\n').at(-1) ?? '';

describe('the summary line', () => {
  it('counts what passed, alone on the last line', async () => {
    const { code, stdout } = await run({ 'a.test.ts': HEAD + PASSES });
    expect(lastLine(stdout)).toBe('1 passed, 0 failed');
    expect(code).toBe(0);
  });

  it('counts what failed', async () => {
    const { code, stdout } = await run({ 'a.test.ts': HEAD + PASSES + FAILS });
    expect(lastLine(stdout)).toBe('1 passed, 1 failed');
    expect(code).toBe(1);
  });

  it('lists skipped tests by name, with their reasons', async () => {
    const skips = [
      "it('asks a server', (context) => { context.skip(true, 'QDRANT_URL is not set'); });",
      "describe('a suite', () => { beforeEach((context) => { context.skip('no GPU here'); }); it('runs a kernel', () => {}); });",
      "it.todo('flies');",
    ];
    const { code, stdout } = await run({ 'a.test.ts': `${HEAD}${PASSES}${skips.join('\n')}\n` });
    expect(stdout).toContain('a.test.ts > asks a server: QDRANT_URL is not set\n');
    expect(stdout).toContain('a.test.ts > a suite > runs a kernel: no GPU here\n');
    expect(stdout).toContain('a.test.ts > flies: still to be written\n');
    expect(lastLine(stdout)).toBe('1 passed, 0 failed, 3 skipped');
    expect(code).toBe(0);
  });

  it.each([
    [
      'a hook before a suite',
      `${PASSES}describe('s', () => { beforeAll(() => { throw new Error('no'); }); it('t', () => {}); });\n`,
      '1 passed, 1 failed, 1 skipped',
    ],
    ['a hook before a file', `beforeAll(() => { throw new Error('no'); });\n${PASSES}`, '0 passed, 1 failed, 1 skipped'],
    ['a hook after a file', `${PASSES}afterAll(() => { throw new Error('no'); });\n`, '1 passed, 1 failed'],
    ['a file that does not load', `${PASSES}throw new Error('no');\n`, '0 passed, 1 failed'],
    ['a file that does not parse', `${PASSES}const = ;\n`, '0 passed, 1 failed'],
    [
      'an error that nobody caught',
      `it('t', () => { setTimeout(() => { throw new Error('no'); }); expect(1).toBe(1); });\nit('u', async () => { await new Promise((done) => setTimeout(done, 100)); });\n`,
      '2 passed, 1 failed',
    ],
    ['a file without tests', 'expect(1).toBe(1);\n', '0 passed, 1 failed'],
  ])('counts %s as a failure', async (_what, body, expected) => {
    const { code, stdout } = await run({ 'a.test.ts': HEAD + body });
    expect(lastLine(stdout)).toBe(expected);
    expect(code).toBe(1);
  });

  it('counts a run that found no tests as a failure', async () => {
    const { code, stdout } = await run({ 'a.ts': PASSES });
    expect(lastLine(stdout)).toBe('0 passed, 1 failed');
    expect(code).toBe(1);
  });
});
