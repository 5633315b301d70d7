import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { withPlantedTree } from './planted-tree.ts';
import { REPOSITORY_ROOT } from './repository-root.ts';

/** Runs `.ci/run` on a package whose test script is the given one. */
const runWith = (test: string): Promise<{ code: number | null; lines: string[] }> =>
  withPlantedTree({ 'package.json': JSON.stringify({ name: 'planted', private: true, scripts: { test } }) }, (root) => {
    mkdirSync(path.join(root, '.ci'));
    copyFileSync(path.join(REPOSITORY_ROOT, '.ci/run'), path.join(root, '.ci/run'));
    const { status, stdout } = spawnSync('bash', ['.ci/run'], {
      cwd: root,
      encoding: 'utf8',
      env: { PATH: [path.dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].join(':'), HOME: root },
    });
    return Promise.resolve({ code: status, lines: stdout.trimEnd().split('\n') });
  });

describe('.ci/run', () => {
  it('ends with the summary line and the status of a green run', async () => {
    const { code, lines } = await runWith("echo noise && echo '3 passed, 0 failed, 1 skipped'");
    expect(lines.at(-1)).toBe('3 passed, 0 failed, 1 skipped');
    expect(code).toBe(0);
  });

  it('ends with the summary line and the status of a red run, whatever is printed after it', async () => {
    const { code, lines } = await runWith("echo '3 passed, 2 failed' && echo noise && exit 7");
    expect(lines.at(-1)).toBe('3 passed, 2 failed');
    expect(code).toBe(7);
  });

  it('counts a set-up that failed as a failure', async () => {
    const { code, lines } = await runWith('echo no network && exit 1');
    expect(lines.at(-1)).toBe('0 passed, 1 failed');
    expect(code).toBe(1);
  });

  it('does not let a run that failed after its tests say that nothing did', async () => {
    const { code, lines } = await runWith("echo '3 passed, 0 failed' && exit 1");
    expect(lines.at(-1)).toBe('0 passed, 1 failed');
    expect(code).toBe(1);
  });
});
